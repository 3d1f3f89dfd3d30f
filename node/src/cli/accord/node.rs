//! `cbm accord publish` and `export`: documents to and from the running node.

use std::path::PathBuf;

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::Args;

use super::{not_done, show};
use crate::{
    api::{
        failure::{Code, Failure},
        shape::{DocumentsRequest, DocumentsView, HeldDocument},
    },
    ceremony,
    cli::{Node, Output, papers, print},
};

/// Documents in one request: far below what the node takes at once, whatever their size.
const AT_ONCE: usize = 16;

/// Hand documents to the node.
#[derive(Debug, Args)]
pub(super) struct Publish {
    /// Documents, or folders of documents.
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    node: Node,
}

/// Take documents from the node.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// Folder to write into; what it holds already stays.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    node: Node,
}

pub(super) async fn publish(out: &Output, what: &Publish) -> Result<(), Failure> {
    let mut documents = ceremony::read_all(&what.files).map_err(|e| not_done(&e))?;
    // Accords before what builds on them, whatever the names of their files.
    documents.sort_by_key(|(_, document)| document.kind());
    let client = what.node.client()?;
    let (mut rows, mut refused) = (Vec::new(), 0_usize);
    for some in documents.chunks(AT_ONCE) {
        let encoded = some.iter().map(|(_, d)| BASE64_STANDARD.encode(d.bytes())).collect();
        let request = DocumentsRequest { documents: encoded };
        let view: DocumentsView = client.post("/v1/documents", &request).await?;
        refused += view.refused.len();
        let file = |number: usize| some.get(number).map(|(path, _)| path.display().to_string());
        for one in view.admitted {
            rows.push(papers::Fate {
                file: file(one.number).unwrap_or_default(),
                kind: one.kind,
                fate: one.news,
                cause: None,
            });
        }
        for one in view.refused {
            rows.push(papers::Fate {
                file: file(one.number).unwrap_or_default(),
                kind: one.kind,
                fate: "refused".to_owned(),
                cause: Some(one.cause),
            });
        }
    }
    if out.json {
        rows.iter().try_for_each(print::json)?;
    } else {
        print::say(&papers::fates(&rows))?;
    }
    if refused == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Code::Failed,
        format!("{refused} of {} documents were not believed", rows.len()),
        "the causes stand beside them; the others were taken",
        "`cbm accord verify` of their folder shows what they lack; publish them again then",
    ))
}

pub(super) async fn export(out: &Output, what: &Export) -> Result<(), Failure> {
    let held: Vec<HeldDocument> = what.node.client()?.get("/v1/documents").await?;
    let odd = |e: base64::DecodeError| {
        let remedy = "is the node of the same version as this program?";
        Failure::new(Code::Failed, "nothing was written", e, remedy)
    };
    let decoded = held.iter().map(|one| BASE64_STANDARD.decode(&one.document));
    let bytes = decoded.collect::<Result<Vec<_>, _>>().map_err(odd)?;
    std::fs::create_dir_all(&what.out).map_err(|e| {
        let cause = format!("{}: {e}", what.out.display());
        Failure::new(Code::Failed, "nothing was written", cause, "name a folder that you may write")
    })?;
    show(out, ceremony::export(&what.out, &bytes), papers::exported)
}
