//! `cbm peers`: the stations of the accord and the links with them; holds a link down on demand.
//!
//! Holding a link is this operator's own maintenance: it holds until it is let up or the node is
//! started again, and other stations still carry letters around it.

use clap::Args;

use super::{Node, Output, print};
use crate::api::{failure::Failure, shape::PeerView};

/// List stations and links.
#[derive(Debug, Args)]
pub struct Peers {
    /// Hold the link with this station down.
    #[arg(long, value_name = "STATION", conflicts_with = "mend")]
    cut: Option<String>,
    /// Let the link with this station be made again.
    #[arg(long, value_name = "STATION")]
    mend: Option<String>,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    output: Output,
}

/// Lists them, after a change of links if one is asked for.
///
/// # Errors
/// No node, or no such station.
pub async fn run(args: Peers) -> Result<(), Failure> {
    let client = args.node.client()?;
    let which = |station: &String| serde_json::json!({ "station": station });
    let peers: Vec<PeerView> = match (&args.cut, &args.mend) {
        (Some(station), _) => client.post("/v1/peers/cut", &which(station)).await?,
        (None, Some(station)) => client.post("/v1/peers/mend", &which(station)).await?,
        (None, None) => client.get("/v1/peers").await?,
    };
    if args.output.json {
        return peers.iter().try_for_each(print::json);
    }
    let rows: Vec<Vec<String>> = peers.iter().map(row).collect();
    let table = print::table(&["STATION", "ROLE", "LINK", "OVER", "HEARD", "ADDRESS"], &rows);
    let mut out = vec![table];
    for peer in &peers {
        if let Some(service) = &peer.service {
            print::wrap(&mut out, &format!("{} ", peer.station), service);
        }
    }
    for peer in peers.iter().filter(|peer| !peer.held) {
        if let Some(cause) = &peer.cause {
            print::wrap(&mut out, &format!("{}: ", peer.station), cause);
        }
    }
    print::say(&out.join("\n"))
}

fn row(peer: &PeerView) -> Vec<String> {
    let link = match (peer.me, peer.linked, peer.held) {
        (true, ..) => "this station",
        (_, true, _) => "up",
        (_, _, true) => "held",
        _ => "down",
    };
    vec![
        peer.station.clone(),
        peer.role.clone(),
        link.to_owned(),
        peer.transport.clone().unwrap_or_else(|| "-".to_owned()),
        peer.beacon_age_ms.map_or_else(|| "-".to_owned(), |age| format!("{} s", age / 1_000)),
        print::tame(peer.addresses.first().map_or("-", String::as_str)),
    ]
}
