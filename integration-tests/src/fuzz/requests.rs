//! What other systems ask the node over its socket: bodies of requests.

use cbm_node::api::compose;
use cbm_node::api::people::shape::{
    AnswerRequest, CheckRequest, CheckedRequest, HeardRequest, NoticeRequest,
};
use cbm_node::api::shape::{AckRequest, DeclineRequest, DocumentsRequest, SendRequest};
use cbm_proto::id::MsgId;
use cbm_proto::letter::Letter;
use serde::{Serialize, de::DeserializeOwned};

use super::input::Input;
use super::letters::origin;
use super::world::world;

/// A body that is understood is written again as the same; what becomes a draft passed its check.
pub(super) fn requests(data: &[u8]) {
    let mut input = Input::new(data);
    let (which, body) = (input.below(8), input.rest());
    match which {
        0 => read::<SendRequest>(body).map_or((), |request| send(&request)),
        1 => drop(read::<AckRequest>(body).map(|request| compose::ack(&request))),
        2 => drop(read::<DeclineRequest>(body).map(|request| compose::decline(&request))),
        3 => drop(read::<DocumentsRequest>(body)),
        4 => drop(read::<CheckedRequest>(body)),
        5 => drop(read::<HeardRequest>(body)),
        6 => drop((read::<CheckRequest>(body), read::<NoticeRequest>(body))),
        _ => drop(read::<AnswerRequest>(body)),
    }
}

fn read<T: DeserializeOwned + Serialize>(body: &[u8]) -> Option<T> {
    let request: T = serde_json::from_slice(body).ok()?;
    let written = serde_json::to_vec(&request).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&again).expect("likewise"), written);
    Some(request)
}

fn send(request: &SendRequest) {
    for draft in [
        compose::draft(request),
        compose::answer(request, MsgId([7; 16]), world().party(1).clone()),
    ] {
        match draft {
            Ok(draft) => {
                assert!(draft.check().is_ok());
                drop(Letter::compose(draft, &origin()));
            }
            Err(failure) => assert!(!failure.to_string().is_empty()),
        }
    }
}
