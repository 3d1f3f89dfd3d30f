//! Signed documents that our own people bring into the network.
//!
//! The station believes them on their signatures alone; whoever hands them in has no say in that.
//! What is believed is durable when the answer goes out, and on its way to every linked station.

use axum::{Json, body::Bytes, extract::State};
use base64::{Engine, prelude::BASE64_STANDARD};
use cbm_proto::{
    accord::{Admitted, Document, News},
    id::Digest,
};

use super::{
    failure::{Code, Failure},
    routes::{Api, read},
    shape::{BelievedView, DocumentsRequest, DocumentsView, HeldDocument, UnbelievedView},
};

/// Largest request: several accords of the largest size, in base64.
pub(super) const REQUEST_MAX: usize = 8 * 1024 * 1024;

/// `POST /v1/documents`.
pub(super) async fn publish(
    State(api): State<Api>,
    body: Bytes,
) -> Result<Json<DocumentsView>, Failure> {
    let request: DocumentsRequest = read(&body)?;
    let documents: Vec<Bytes> =
        request.documents.iter().enumerate().map(decode).collect::<Result<_, _>>()?;
    let results = api.desk.publish(documents.clone()).await?;
    let mut view = DocumentsView::default();
    for (number, (bytes, result)) in documents.iter().zip(results).enumerate() {
        match result {
            Ok(admitted) => view.admitted.push(believed(number, admitted)),
            Err(cause) => {
                let kind = Document::decode(bytes).map_or("unreadable", |d| d.kind().name());
                view.refused.push(UnbelievedView { number, kind: kind.to_owned(), cause });
            }
        }
    }
    Ok(Json(view))
}

/// `GET /v1/documents`: all that the station holds, charters of its own groups among them.
pub(super) async fn held(State(api): State<Api>) -> Result<Json<Vec<HeldDocument>>, Failure> {
    let all = api.desk.look(|station, _| station.directory().documents()).await?;
    let one = |(digest, bytes): (&Digest, &Bytes)| HeldDocument {
        kind: Document::decode(bytes).map_or("unreadable", |d| d.kind().name()).to_owned(),
        digest: digest.to_string(),
        document: BASE64_STANDARD.encode(bytes),
    };
    Ok(Json(all.iter().map(one).collect()))
}

fn decode((number, text): (usize, &String)) -> Result<Bytes, Failure> {
    BASE64_STANDARD.decode(text).map(Bytes::from).map_err(|e| {
        Failure::new(
            Code::Usage,
            "no document was taken",
            format!("document {number} of the request is not base64: {e}"),
            "encode each document's file as it is",
        )
    })
}

fn believed(number: usize, admitted: Admitted) -> BelievedView {
    let news = match admitted.news {
        News::New => "new",
        News::Known => "known",
        News::Superseded => "superseded",
    };
    BelievedView {
        number,
        kind: admitted.kind.name().to_owned(),
        digest: admitted.digest.to_string(),
        news: news.to_owned(),
    }
}
