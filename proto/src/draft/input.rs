//! From a person's JSON and the command line to a draft.

use serde_json::{Map, Value as Json};

use super::{Attachment, Draft, DraftError, Header};
use crate::{
    catalogue::{Problem, TypeInfo, catalogue},
    id::{MsgId, PartyCode},
    terms::{Action, Precedence, Relation, Status},
    wire,
};

/// What the command line adds to a file; each overrides what the file says.
#[derive(Clone, Debug, Default)]
pub struct SendOptions {
    /// Parties that owe an answer.
    pub to: Vec<PartyCode>,
    /// Parties that get a copy.
    pub info: Vec<PartyCode>,
    /// A group by name.
    pub group: Option<String>,
    /// Precedence, if not the type's own.
    pub precedence: Option<Precedence>,
    /// Status, if not the type's own.
    pub status: Option<Status>,
    /// Who wrote it.
    pub drafted_by: Option<String>,
    /// Who released it.
    pub released_by: Option<String>,
    /// Why one person released alone what two should.
    pub emergency: Option<String>,
    /// Letters that it refers to, beside those of the file.
    pub refs: Vec<(MsgId, Relation)>,
    /// Files.
    pub attachments: Vec<Attachment>,
}

impl Draft {
    /// Reads a notification of the type `type_name`: an object with fields of the common header and
    /// `body`, as `template` shows it. It is not checked against the rules yet: see
    /// [`Draft::check`].
    ///
    /// # Errors
    /// An unknown type, no JSON, or the list of everything that is wrong with it.
    pub fn from_json(
        type_name: &str,
        json: &str,
        options: SendOptions,
    ) -> Result<Self, DraftError> {
        let info = catalogue().find(type_name).map_err(DraftError::Type)?;
        let json: Json =
            serde_json::from_str(json).map_err(|error| DraftError::Json(error.to_string()))?;
        let Json::Object(mut members) = json else {
            return Err(DraftError::Json("it is not an object in braces".into()));
        };
        let body = members.remove("body");
        let mut problems = misplaced(info, &mut members);
        let body = body
            .map_or_else(|| Err(vec![no_body(info)]), |body| catalogue().read_body(info, &body));
        let header = catalogue().read_header(&Json::Object(members));
        let (header, body) = match (header, body, problems.is_empty()) {
            (Ok(header), Ok(body), true) => (header, body),
            (header, body, _) => {
                problems.extend(header.err().into_iter().flatten());
                problems.extend(body.err().into_iter().flatten());
                return Err(DraftError::Fields(problems));
            }
        };
        let mut header = Header(header);
        let attachments = header.take(info, options);
        Ok(Self { header, body, attachments })
    }
}

impl Header {
    /// Takes over the command line and the defaults of the type; hands back the files.
    fn take(&mut self, info: &TypeInfo, options: SendOptions) -> Vec<Attachment> {
        let header = &mut self.0;
        header.r#type.clone_from(&info.name);
        header.type_number = info.number;
        header.type_version = info.version;
        if let Some(status) = options.status {
            header.status = status.code().into();
        } else if header.status == 0 {
            header.status = info.default_status().code().into();
        }
        if let Some(precedence) = options.precedence {
            header.precedence = precedence.code().into();
        } else if header.precedence == 0 {
            header.precedence = info.default_precedence.code().into();
        }
        if header.action == 0 {
            header.action = Action::New.code().into();
        }
        if !options.to.is_empty() {
            header.to_action = codes(&options.to);
        }
        if !options.info.is_empty() {
            header.to_info = codes(&options.info);
        }
        if let Some(group) = options.group {
            header.group = group;
        }
        header.refs.extend(options.refs.iter().map(|(id, relation)| wire::Reference {
            id: bytes::Bytes::copy_from_slice(id.as_bytes()),
            relation: relation.code().into(),
        }));
        let release = header.release.get_or_insert_default();
        for (slot, given) in [
            (&mut release.drafted_by, options.drafted_by),
            (&mut release.released_by, options.released_by),
            (&mut release.emergency, options.emergency),
        ] {
            if let Some(given) = given {
                *slot = given;
            }
        }
        options.attachments
    }
}

fn codes(parties: &[PartyCode]) -> Vec<String> {
    parties.iter().map(|party| party.as_str().to_owned()).collect()
}

/// Fields of the body that stand beside it: the commonest slip.
fn misplaced(info: &TypeInfo, members: &mut Map<String, Json>) -> Vec<Problem> {
    let lost: Vec<String> =
        members.keys().filter(|name| info.has_field(name) && !is_header(name)).cloned().collect();
    lost.into_iter()
        .map(|name| {
            members.remove(&name);
            Problem {
                cause: "it is a field of the body".into(),
                remedy: format!("move it into \"body\": {{ \"{name}\": … }}"),
                path: name,
            }
        })
        .collect()
}

fn is_header(name: &str) -> bool {
    catalogue().is_header_field(name)
}

fn no_body(info: &TypeInfo) -> Problem {
    Problem {
        path: "body".into(),
        cause: "it is required and missing".into(),
        remedy: format!("see `cbm template {}`", info.name),
    }
}
