//! `cbm types [TYPE]`: what can be sent, and the fields of one type.

use cbm_proto::{
    catalogue::{FieldInfo, TypeInfo, catalogue},
    terms::Level,
};
use clap::Args;
use serde_json::{Value, json};

use super::{Output, print};
use crate::api::failure::{Code, Failure};

/// List the types of notifications.
#[derive(Debug, Args)]
pub struct Types {
    /// Show the fields of this type.
    #[arg(value_name = "TYPE")]
    type_name: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Lists them.
///
/// # Errors
/// No such type.
pub fn run(args: &Types) -> Result<(), Failure> {
    match &args.type_name {
        None => all(args.output.json),
        Some(name) => fields(find(name)?, args.output.json),
    }
}

/// The type of a name, with the nearest one as the remedy.
///
/// # Errors
/// No such type.
pub fn find(name: &str) -> Result<&'static TypeInfo, Failure> {
    catalogue().find(name).map_err(|problem| {
        Failure::new(Code::Usage, "nothing was done", problem.cause, problem.remedy)
    })
}

fn all(json: bool) -> Result<(), Failure> {
    let types = catalogue().types().iter().filter(|info| !info.made_by_node);
    if json {
        return types.map(describe).try_for_each(|row| print::json(&row));
    }
    let rows: Vec<Vec<String>> = types
        .map(|info| {
            let due = info.ack_level.map_or("-", Level::word);
            let persons = if info.two_person { "2" } else { "1" };
            let precedence = info.default_precedence.word();
            let cells = [&info.name, precedence, due, persons, &info.help];
            cells.map(str::to_owned).to_vec()
        })
        .collect();
    print::say(&print::table(&["TYPE", "PRECEDENCE", "DUE", "PERSONS", "WHAT"], &rows))
}

fn describe(info: &TypeInfo) -> Value {
    json!({
        "type": info.name,
        "number": info.number,
        "version": info.version,
        "title": info.title,
        "help": info.help,
        "precedence": info.default_precedence.word(),
        "ack_level": info.ack_level.map(Level::word),
        "ack_by": info.ack_by.word(),
        "two_person": info.two_person,
        "statuses": info.statuses.iter().map(|s| s.word()).collect::<Vec<_>>(),
    })
}

fn fields(info: &TypeInfo, json: bool) -> Result<(), Failure> {
    let all = catalogue().describe(info);
    if json {
        let mut described = describe(info);
        described["fields"] = all.iter().map(field_json).collect();
        return print::json(&described);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|field| {
            let must = if field.required { "yes" } else { "-" };
            let form = match field.bounds.as_str() {
                "" => field.form.clone(),
                bounds => format!("{}, {bounds}", field.form),
            };
            vec![field.path.clone(), must.to_owned(), form]
        })
        .collect();
    print::say(&format!("{}: {}", info.name, info.help))?;
    print::say(&print::table(&["FIELD", "MUST", "FORM"], &rows))
}

fn field_json(field: &FieldInfo) -> Value {
    json!({
        "path": field.path,
        "form": field.form,
        "required": field.required,
        "bounds": field.bounds,
        "group": field.group,
        "help": field.help,
    })
}
