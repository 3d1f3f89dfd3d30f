//! `cbm template TYPE`: a filled example that passes every check, to be edited and sent.

use cbm_proto::catalogue::catalogue;
use clap::Args;

use super::{print, types};
use crate::api::failure::{Code, Failure};

/// Print a filled example of a type.
#[derive(Debug, Args)]
pub struct Template {
    /// Type of the notification; `cbm types` lists them.
    #[arg(value_name = "TYPE")]
    type_name: String,
}

/// Prints it.
///
/// # Errors
/// No such type.
pub fn run(args: &Template) -> Result<(), Failure> {
    let example = catalogue().template(types::find(&args.type_name)?);
    let text = serde_json::to_string_pretty(&example).map_err(|e| {
        Failure::new(Code::Failed, "the example could not be printed", e, "report this defect")
    })?;
    print::say(&text)
}
