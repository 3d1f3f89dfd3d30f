//! Stations in network namespaces of their own, joined by a switch in this process.
//!
//! Each place has one namespace, one address, and one TUN device whose other end this process
//! holds. Whatever a program there sends (TCP, UDP, QUIC) comes to the `switch` as IP packets,
//! which delays, loses, slows down or drops them line by line, by draws from one seed. Nothing of
//! the kernel is needed but TUN and namespaces: no netem, no firewall. Invariants: places reach one
//! another through the switch and in no other way; no namespace outlives the run that made it. Needs
//! root. Used by `tests/networks.rs`.

#![allow(clippy::expect_used, reason = "a test's helper ends the test")]

mod line;
mod nat;
mod packet;
mod space;
mod switch;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use line::{Line, Pipe};
pub use switch::Count;
use {nat::Nat, space::Space, switch::Switch};

/// How the places are addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `10.77.0.0/24`.
    V4,
    /// `fd77::/64`, and no IPv4 at all.
    V6,
}

/// Places, and the lines between them. All goes away with it.
pub struct Net {
    switch: Switch,
    spaces: Vec<Space>,
    addresses: Vec<IpAddr>,
    /// What every draw comes from.
    pub seed: u64,
}

impl Net {
    /// So many places, each reaching each other at once and without loss. The first `behind` of
    /// them stand behind a NAT of their own: they reach out, and nobody reaches in (IPv4 only).
    ///
    /// # Errors
    /// No root, no TUN devices or no namespaces here.
    pub fn new(family: Family, places: usize, behind: usize) -> io::Result<Self> {
        let seed = seed();
        println!("CBM_SEED={seed}");
        let switch = Switch::start(seed);
        let mut net = Self { switch, spaces: Vec::new(), addresses: Vec::new(), seed };
        for place in 0..places {
            let nat = (place < behind).then(|| Nat::new(private(place), public(place)));
            let address = match (family, nat.is_some()) {
                (Family::V6, _) => v6(place),
                (Family::V4, true) => private(place).into(),
                (Family::V4, false) => public(place).into(),
            };
            let space = Space::new(address)?;
            net.switch.join(address, space.device(), nat)?;
            net.spaces.push(space);
            net.addresses.push(address);
        }
        Ok(net)
    }

    /// The address of each place, as its programs know it.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The name of a place's namespace, for `ip netns exec`.
    #[must_use]
    pub fn space(&self, place: usize) -> &str {
        self.spaces[place].name()
    }

    /// Changes the line from one place to another, in this direction only.
    pub fn line(&self, from: usize, to: usize, change: impl FnOnce(&mut Line)) {
        self.switch.line(from, to, change);
    }

    /// Cuts, or joins, two places in both directions.
    pub fn cut(&self, a: usize, b: usize, cut: bool) {
        self.line(a, b, |line| line.cut = cut);
        self.line(b, a, |line| line.cut = cut);
    }

    /// Leaves exactly these pairs joined.
    pub fn only(&self, pairs: &[(usize, usize)]) {
        let count = self.spaces.len();
        for (a, b) in (0..count).flat_map(|a| (0..a).map(move |b| (b, a))) {
            self.cut(a, b, !pairs.contains(&(a, b)) && !pairs.contains(&(b, a)));
        }
    }

    /// What a place can send, and receive, from and to all others together.
    pub fn access(&self, place: usize, up: Pipe, down: Pipe) {
        self.switch.access(place, up, down);
    }

    /// What went from one place to another so far.
    #[must_use]
    pub fn count(&self, from: usize, to: usize) -> Count {
        self.switch.count(from, to)
    }

    /// Packets that a place could not be reached with from outside, because of its NAT or because
    /// nobody has the address.
    #[must_use]
    pub fn unreachable(&self) -> u64 {
        self.switch.unreachable()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // With its namespace a device goes, and with it the thread that reads from it.
        self.spaces.clear();
        self.switch.stop();
    }
}

/// A satellite's line, one way.
#[must_use]
pub const fn satellite() -> Line {
    Line { delay: Duration::from_millis(300), loss: 50, cut: false }
}

/// From `CBM_SEED`, or from the clock.
fn seed() -> u64 {
    let given = std::env::var("CBM_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::from(since.subsec_nanos())
    })
}

fn host(place: usize) -> u8 {
    u8::try_from(place + 1).expect("up to 254 places")
}

fn public(place: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, host(place))
}

/// The same for every place behind a NAT but for its number: nobody outside has a way there.
fn private(place: usize) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 77, host(place))
}

fn v6(place: usize) -> IpAddr {
    Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, u16::from(host(place))).into()
}
