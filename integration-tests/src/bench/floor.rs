//! The floors: the same bytes to disk and over loopback, with or without the same cryptography.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cbm_proto::accord::{Founded, Role, sample};
use cbm_proto::catalogue::catalogue;
use cbm_proto::draft::{Draft, SendOptions};
use cbm_proto::envelope::Envelope;
use cbm_proto::id::{Digest, Incarnation, LaneId, MsgId, StationId, StationName};
use cbm_proto::keys::StationKeys;
use cbm_proto::letter::{Letter, Origin};
use cbm_proto::part::Part;
use cbm_proto::primitives::Entropy;
use cbm_proto::seal::{self, Frame, PairSecret, Recipient};
use cbm_proto::terms::Status;
use cbm_proto::time::Timestamp;

use super::Failed;
use super::table::Spread;

/// Bytes of a receipt's text.
const RECEIPT: usize = 160;

/// One end's keys and counters. Both ends derive all keys from one seed.
struct End {
    keys: StationKeys,
    peer: StationKeys,
    pair: PairSecret,
    network: cbm_proto::id::NetworkId,
    entropy: Entropy,
    seq: u64,
    prev: Digest,
}

impl End {
    fn new(first: bool) -> Result<Self, Failed> {
        let plan = [("AAA", Role::State, &["mfa"][..]), ("BBB", Role::State, &["mfa"][..])];
        let founded: Founded = sample(&plan, &mut Entropy::new(&[9; 32]))?;
        let network = founded.network;
        let mut all: Vec<StationKeys> = founded.stations.into_values().collect();
        if !first {
            all.reverse();
        }
        let (Some(peer), Some(keys)) = (all.pop(), all.pop()) else { return Err("no keys".into()) };
        let pair = PairSecret::new(&keys.epoch, peer.epoch.public(), &network);
        let entropy = Entropy::new(&[u8::from(first); 32]);
        Ok(Self { keys, peer, pair, network, entropy, seq: 0, prev: Digest([0; 32]) })
    }

    fn seal(&mut self, text: usize) -> Result<Bytes, Failed> {
        let mut part = |len: usize| Part {
            salt: self.entropy.bytes(),
            kind: 1,
            bytes: vec![b'x'; len].into(),
        };
        let parts = [part(64), part(text)];
        self.seal_parts(&parts)
    }

    fn seal_parts(&mut self, parts: &[Part]) -> Result<Bytes, Failed> {
        self.seq += 1;
        let frame = Frame {
            network: self.network,
            accord_version: 1,
            lane: LaneId([1; 16]),
            author: StationId([2; 16]),
            incarnation: Incarnation([3; 16]),
            seq: self.seq,
            prev: if self.seq == 1 { Digest([0; 32]) } else { self.prev },
            made_at: Timestamp(1_800_000_000_000 + self.seq),
        };
        let to = [Recipient { epoch: self.peer.epoch.public(), pair: &self.pair }];
        let (epoch, sign) = (&self.keys.epoch, &self.keys.sign);
        let (envelope, _) =
            seal::seal(&frame, Status::Actual, parts, epoch, &to, sign, &mut self.entropy)?;
        self.prev = Digest(envelope.id().0);
        Ok(envelope.bytes().clone())
    }

    fn open(&self, bytes: Bytes) -> Result<(), Failed> {
        let envelope = Envelope::decode(bytes)?;
        envelope.verify(&self.peer.sign.public())?;
        let author = self.peer.epoch.public();
        seal::open(&envelope, &self.keys.epoch, author, &self.pair)?.ok_or("not for us")?;
        Ok(())
    }
}

/// The near end, with the far one as a process.
pub(super) struct Floor {
    end: Option<End>,
    stream: TcpStream,
    disk: Disk,
    child: Child,
}

struct Disk {
    file: File,
    _folder: tempfile::TempDir,
}

impl Disk {
    fn new() -> Result<Self, Failed> {
        let folder = tempfile::Builder::new().prefix("cbm-bench-").tempdir()?;
        let file = File::create(folder.path().join("floor"))?;
        file.set_len(64 * 1024 * 1024)?;
        file.sync_all()?;
        Ok(Self { file, _folder: folder })
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        self.file.write_all(bytes)?;
        Ok(self.file.sync_data()?)
    }
}

impl Floor {
    /// Starts the far end and connects.
    ///
    /// # Errors
    /// The process or its socket.
    pub(super) fn start(full: bool) -> Result<Self, Failed> {
        let word = if full { "full" } else { "bare" };
        let mut child = Command::new(std::env::current_exe()?)
            .args(["floor", word])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let mut stdout = child.stdout.take().ok_or("no stdout")?;
        let mut byte = [0];
        while stdout.read(&mut byte)? == 1 && byte[0] != b'\n' {
            line.push(char::from(byte[0]));
        }
        let stream = TcpStream::connect(("127.0.0.1", line.trim().parse::<u16>()?))?;
        stream.set_nodelay(true)?;
        let end = if full { Some(End::new(true)?) } else { None };
        Ok(Self { end, stream, disk: Disk::new()?, child })
    }

    /// Letters one by one, `pace` apart.
    ///
    /// # Errors
    /// Disk or socket.
    pub(super) fn round_trips(
        &mut self,
        count: usize,
        pace: Duration,
        text: usize,
    ) -> Result<Spread, Failed> {
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            let begin = Instant::now();
            let letter = match &mut self.end {
                Some(end) => end.seal(text)?,
                None => vec![b'x'; text].into(),
            };
            self.disk.keep(&letter)?;
            write_frame(&mut self.stream, &letter)?;
            let receipt = read_frame(&mut self.stream)?;
            if let Some(end) = &self.end {
                end.open(receipt.clone())?;
            }
            self.disk.keep(&receipt)?;
            let took = begin.elapsed();
            all.push(took);
            std::thread::sleep(pace.saturating_sub(took));
        }
        Ok(Spread::new(all))
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // The far end ends when the socket does; a failure to kill it changes nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The far end: keeps what comes, answers with a receipt that it has kept.
///
/// # Errors
/// Disk or socket.
pub(super) fn serve(full: bool) -> Result<(), Failed> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("{}", listener.local_addr()?.port());
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut end = if full { Some(End::new(false)?) } else { None };
    let mut disk = Disk::new()?;
    while let Ok(letter) = read_frame(&mut stream) {
        let receipt = match &mut end {
            Some(end) => {
                end.open(letter.clone())?;
                end.seal(RECEIPT)?
            }
            None => vec![b'r'; RECEIPT].into(),
        };
        // Letter and receipt go to the disk together, as a node's batch does.
        disk.keep(&[&letter[..], &receipt].concat())?;
        write_frame(&mut stream, &receipt)?;
    }
    Ok(())
}

/// Letters a second that the primitives allow on one core when both ends' work is done in turn:
/// seal and open of a letter, seal and open of its receipt.
///
/// # Errors
/// Never, in practice: keys that do not fit.
pub(super) fn primitives_rate(text: usize) -> Result<f64, Failed> {
    let (mut near, mut far) = (End::new(true)?, End::new(false)?);
    let begin = Instant::now();
    let mut count = 0_u32;
    while begin.elapsed() < Duration::from_secs(2) {
        far.open(near.seal(text)?)?;
        near.open(far.seal(RECEIPT)?)?;
        count += 1;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}

/// Bytes of the envelope of an operator's note of 200 words to one station.
///
/// # Errors
/// Never, in practice: a note that breaks the catalogue's rules.
pub(super) fn letter_bytes() -> Result<usize, Failed> {
    let mut end = End::new(true)?;
    let mut json = catalogue()
        .template(catalogue().find("operator-note").map_err(|problem| problem.to_string())?);
    json["body"]["text"][0]["text"] = "signal ".repeat(200).trim_end().into();
    let draft = Draft::from_json("operator-note", &json.to_string(), SendOptions::default())?;
    let station = StationName::parse("AAA/mfa")?;
    let origin = Origin { id: MsgId([4; 16]), station, at: Timestamp(1_800_000_000_000) };
    let parts = Letter::compose(draft, &origin).parts(&mut end.entropy);
    Ok(end.seal_parts(&parts)?.len())
}

fn write_frame(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), Failed> {
    let length = u32::try_from(bytes.len())?.to_be_bytes();
    Ok(stream.write_all(&[&length[..], bytes].concat())?)
}

fn read_frame(stream: &mut TcpStream) -> Result<Bytes, Failed> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut bytes)?;
    Ok(bytes.into())
}
