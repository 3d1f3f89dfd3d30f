//! From the words of a request to the terms of the protocol. Own input: whatever is not understood
//! is refused, with the words that are.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use cbm_proto::{
    draft::{Attachment, Draft, DraftError, Evidence, SendOptions},
    event::{Act, Signed},
    id::{Digest, KeyId, MsgId, NameError, PartyCode, StationName, unhex},
    keys::ALG_ED25519,
    receipt::OfficeSignature,
    terms::{Level, Outcome, Precedence, Reason, Relation, Status},
    time::Timestamp,
};
use zeroize::Zeroizing;

use super::{
    failure::{Code, Failure},
    shape::{AckRequest, AttachmentIn, DeclineRequest, EvidenceView, SendRequest, SignedIn},
};

/// A draft that passed every check.
///
/// # Errors
/// What is wrong with it; refused by policy where two persons are due.
pub fn draft(request: &SendRequest) -> Result<Draft, Failure> {
    checked(request, options(request)?)
}

/// A draft in answer to a letter from `author`, to whom it goes unless it names somebody.
///
/// # Errors
/// As [`draft`].
pub fn answer(request: &SendRequest, msg: MsgId, author: PartyCode) -> Result<Draft, Failure> {
    let mut options = options(request)?;
    if options.to.is_empty() {
        options.to.push(author);
    }
    options.refs.push((msg, Relation::Replies));
    checked(request, options)
}

fn checked(request: &SendRequest, options: SendOptions) -> Result<Draft, Failure> {
    let json = request.letter.to_string();
    let draft = Draft::from_json(&request.type_name, &json, options).map_err(|e| not_taken(&e))?;
    draft.check().map_err(|e| not_taken(&e))?;
    Ok(draft)
}

fn options(request: &SendRequest) -> Result<SendOptions, Failure> {
    let precedence = request.precedence.as_deref();
    let status = request.status.as_deref();
    Ok(SendOptions {
        to: parties(&request.to)?,
        info: parties(&request.info)?,
        group: request.group.clone(),
        precedence: precedence
            .map(|w| word(w, Precedence::from_word, Precedence::ALL))
            .transpose()?,
        status: status.map(|w| word(w, Status::from_word, Status::ALL)).transpose()?,
        drafted_by: request.drafted_by.clone(),
        released_by: request.released_by.clone(),
        emergency: request.emergency.clone(),
        refs: Vec::new(),
        attachments: request.attachments.iter().map(attachment).collect::<Result<_, _>>()?,
    })
}

fn attachment(file: &AttachmentIn) -> Result<Attachment, Failure> {
    let mut attachment = match (&file.base64, &file.evidence) {
        (Some(base64), None) => Attachment::new(&file.name, inside(&file.name, base64)?),
        (None, Some(view)) => Attachment::apart(&file.name, apart(view)?),
        _ => {
            let cause = format!("the attachment `{}` has not exactly one content", file.name);
            return Err(wrong(cause, "give either base64 or evidence"));
        }
    };
    if let Some(media_type) = &file.media_type {
        attachment.media_type.clone_from(media_type);
    }
    Ok(attachment)
}

fn inside(name: &str, base64: &str) -> Result<Bytes, Failure> {
    BASE64_STANDARD
        .decode(base64)
        .map(Bytes::from)
        .map_err(|e| wrong(format!("the attachment `{name}` is not base64: {e}"), "encode it anew"))
}

fn apart(view: &EvidenceView) -> Result<Evidence, Failure> {
    let hex = |text: &str| {
        let cause = format!("`{text}` is not 64 hex digits");
        let digest = Digest::from_hex(text).map(|digest| digest.0);
        digest.ok_or_else(|| wrong(cause, "give what /v1/evidence answered"))
    };
    Ok(Evidence {
        root: Digest(hex(&view.root)?),
        key: Zeroizing::new(hex(&view.key)?),
        sealed: view.sealed,
        size: view.size,
        sha256: hex(&view.sha256)?,
    })
}

fn parties(codes: &[String]) -> Result<Vec<PartyCode>, Failure> {
    let named = codes.iter().filter(|code| !code.is_empty());
    named.map(|code| PartyCode::new(code).map_err(|e| bad_name(&e))).collect()
}

/// The id of a letter.
///
/// # Errors
/// It is none.
pub fn msg_id(text: &str) -> Result<MsgId, Failure> {
    MsgId::from_hex(text).ok_or_else(|| {
        wrong(
            format!("`{text}` is not the id of a letter"),
            "an id is 32 hex digits, as `cbm send` and `cbm inbox` print it",
        )
    })
}

/// A station's name.
///
/// # Errors
/// It is none.
pub fn station(name: &str) -> Result<StationName, Failure> {
    StationName::parse(name).map_err(|e| bad_name(&e))
}

fn bad_name(error: &NameError) -> Failure {
    wrong(error, "`cbm peers` lists the stations and their parties")
}

/// A level.
///
/// # Errors
/// It is none.
pub fn level(text: &str) -> Result<Level, Failure> {
    word(text, Level::from_word, Level::ALL)
}

/// L4, or L5 with an outcome.
///
/// # Errors
/// No such outcome, or one that is `decline`.
pub fn ack(request: &AckRequest) -> Result<Act, Failure> {
    let outcome = request.outcome.as_deref();
    let outcome = outcome.map(|w| word(w, Outcome::from_word, Outcome::ALL)).transpose()?;
    if outcome == Some(Outcome::Declined) {
        return Err(wrong(
            "DECLINED is no acknowledgement",
            "use `cbm decline ID --reason REASON`",
        ));
    }
    Ok(Act::Ack { outcome, text: request.text.clone() })
}

/// An office's signature.
///
/// # Errors
/// It is none.
pub fn signed(given: Option<&SignedIn>) -> Result<Option<Signed>, Failure> {
    let Some(given) = given else { return Ok(None) };
    let read = || {
        let bytes: [u8; 64] = unhex(&given.signature)?.try_into().ok()?;
        let key = Some(KeyId::from_hex(&given.key)?);
        let signature = OfficeSignature { key, alg: ALG_ED25519, bytes: bytes.to_vec().into() };
        Some(Signed { at: Timestamp::parse(&given.at)?, signature })
    };
    let remedy = "give `at` as a time in UTC, `key` as 32 and `signature` as 128 hex digits";
    read().map(Some).ok_or_else(|| wrong("`signed` is no signature of an office", remedy))
}

/// L5, declined.
///
/// # Errors
/// No such reason.
pub fn decline(request: &DeclineRequest) -> Result<Act, Failure> {
    let reason = word(&request.reason, Reason::from_word, Reason::ALL)?;
    Ok(Act::Decline { reason, text: request.text.clone() })
}

fn word<T: std::fmt::Display>(
    text: &str,
    read: impl Fn(&str) -> Option<T>,
    all: &[T],
) -> Result<T, Failure> {
    read(text).ok_or_else(|| {
        let words: Vec<String> = all.iter().map(T::to_string).collect();
        wrong(
            format!("`{text}` is not understood here"),
            &format!("use one of {}", words.join(", ")),
        )
    })
}

fn wrong(cause: impl std::fmt::Display, remedy: &str) -> Failure {
    Failure::new(Code::Usage, "nothing was done", cause, remedy)
}

fn not_taken(error: &DraftError) -> Failure {
    let code = if error.is_policy() { Code::Refused } else { Code::Usage };
    let remedy = match error {
        DraftError::TwoPersons { what, cause } => {
            return Failure::new(
                code,
                "nothing was sent",
                format!("{what} needs two persons, and {cause}"),
                "name two different persons with --drafted-by and --released-by, or give the \
                 reason of an emergency with --emergency (marked in the letter, reviewed later)",
            );
        }
        DraftError::Type(problem) => {
            return Failure::new(code, "nothing was sent", &problem.cause, &problem.remedy);
        }
        DraftError::MadeByNode(_) => "use `cbm ack`, `cbm decline` or `cbm reply`",
        DraftError::Fields(_) => "mend each of these; `cbm types TYPE` shows all fields",
        DraftError::Json(_) | DraftError::Stored => "compare it with `cbm template TYPE`",
    };
    Failure::new(code, "nothing was sent", error, remedy)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use cbm_proto::catalogue::catalogue;

    use super::*;

    fn request(type_name: &str) -> SendRequest {
        let info = catalogue().by_name(type_name).unwrap();
        SendRequest {
            type_name: type_name.to_owned(),
            to: vec!["BBB".to_owned()],
            letter: catalogue().template(info),
            ..SendRequest::default()
        }
    }

    #[test]
    fn two_persons_are_a_matter_of_policy_and_all_else_of_usage() {
        let refused = draft(&request("red-flag")).unwrap_err();
        assert_eq!(refused.code.exit(), 3, "{refused}");
        assert!(refused.remedy.contains("--released-by"), "{refused}");
        let named = SendRequest {
            drafted_by: Some("A".to_owned()),
            released_by: Some("B".to_owned()),
            ..request("red-flag")
        };
        assert_eq!(draft(&named).unwrap().type_name(), "red-flag");
        let loud = SendRequest { precedence: Some("LOUD".to_owned()), ..named };
        let wrong = draft(&loud).unwrap_err();
        assert_eq!(wrong.code.exit(), 2);
        assert!(wrong.remedy.contains("FLASH"), "{wrong}");
    }

    #[test]
    fn an_answer_goes_to_the_author_and_names_the_letter() {
        let mut request = request("operator-note");
        request.to.clear();
        let msg = MsgId([7; 16]);
        let draft = answer(&request, msg, PartyCode::new("AAA").unwrap()).unwrap();
        assert_eq!(draft.header.to(), [PartyCode::new("AAA").unwrap()]);
        assert_eq!(draft.header.replies_to(), Some(msg));
    }

    #[test]
    fn an_outcome_is_one_of_the_list_and_declining_has_its_own_verb() {
        let with =
            |outcome: &str| AckRequest { outcome: Some(outcome.into()), ..AckRequest::default() };
        assert!(matches!(ack(&with("accepted")), Ok(Act::Ack { outcome: Some(_), .. })));
        assert!(ack(&with("DECLINED")).err().unwrap().remedy.contains("cbm decline"));
        assert!(ack(&with("MAYBE")).is_err());
    }
}
