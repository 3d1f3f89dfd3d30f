//! `--office-key`: the office signs what its officer states, the same for `ack`, `decline` and `reply`.
//!
//! The key is opened here, at the officer's side, and never reaches the node. What is signed is made
//! by the rule that the station goes by, from what the officer typed and from this machine's clock; of
//! the node come the letter's digest and root, and the name of the office.

use std::path::PathBuf;

use cbm_proto::{
    event::Officer,
    id::{Digest, EnvelopeId, MsgId},
    receipt::{Entry, OFFICE_DOMAIN},
    terms::Level,
    time::Timestamp,
};
use clap::Args;

use super::unlock::unlock;
use crate::{
    api::{
        client::Client,
        failure::{Code, Failure},
        shape::{SignedIn, StatementView},
    },
    clock::Clock,
    keystore::signer,
};

/// The key of the office.
#[derive(Debug, Args)]
pub struct OfficeKey {
    /// Sign with the key of your office: its folder, or its key in a token as
    /// pkcs11:token=T;object=O?module-path=M.
    #[arg(long, value_name = "DIR|URI")]
    office_key: Option<String>,
    /// File with the passphrase of a sealed office key; without it the terminal asks.
    #[arg(long, value_name = "FILE", requires = "office_key", conflicts_with = "identity_file")]
    passphrase_file: Option<PathBuf>,
    /// File with the identity that opens a sealed office key.
    #[arg(long, value_name = "FILE", requires = "office_key")]
    identity_file: Option<PathBuf>,
}

impl OfficeKey {
    /// Signs what `state` makes of the letter, if a key was named.
    ///
    /// # Errors
    /// The letter is not there, the caller is no officer, or the key cannot be used.
    pub async fn sign(
        &self,
        client: &Client,
        msg: MsgId,
        state: impl FnOnce(Entry, Timestamp, &Officer) -> Entry,
    ) -> Result<Option<SignedIn>, Failure> {
        let Some(place) = &self.office_key else { return Ok(None) };
        let named: StatementView = client.get(&format!("/v1/letters/{msg}/statement")).await?;
        let of_letter =
            EnvelopeId::from_hex(&named.digest).zip(Digest::from_hex(&named.content_root));
        let Some((digest, root)) = of_letter.filter(|_| named.id == msg.to_string()) else {
            let cause = "the node names another letter than the one that was asked for";
            return Err(untouched(cause, "is the node of the same version as this program?"));
        };
        let unlock = unlock(self.passphrase_file.as_deref(), self.identity_file.as_deref());
        let key = signer::open_office(place, &unlock).map_err(|e| failed(&e))?;
        // After the PIN: what is stated is stated now.
        let at = Clock::start().now().wall;
        let by = Officer { name: String::new(), office: named.office };
        let entry = state(Entry::by_station(msg, digest, root, Level::L3, at), at, &by);
        let Some(statement) = entry.statement() else {
            let cause = format!("`{}` can be no office's code", by.office);
            return Err(untouched(cause, "have the operator correct `office` under [officers]"));
        };
        let signature = key.signature(OFFICE_DOMAIN, &statement).map_err(|e| failed(&e))?;
        Ok(Some(SignedIn {
            at: at.to_string(),
            key: key.public().id().to_string(),
            signature: cbm_proto::id::hex(&signature),
        }))
    }
}

fn untouched(cause: impl std::fmt::Display, remedy: &str) -> Failure {
    Failure::new(Code::Failed, "the letter is untouched", cause, remedy)
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    let otherwise = "give --office-key the folder that `cbm keygen office` made";
    Failure::told(Code::Failed, "the letter is untouched", error, otherwise)
}
