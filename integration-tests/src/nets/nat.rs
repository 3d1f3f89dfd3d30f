//! The router of a place that has no address of its own outside.
//!
//! What goes out gets the router's address and keeps its port. What comes in must come from an
//! address and port that was spoken to before, from the port that it is for; anything else is
//! dropped. That is the strictest kind of NAT in use: no dialling in, and no guessing. Called by
//! `switch`.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use super::packet::{Side, ends, readdress};

/// See the module.
#[derive(Debug)]
pub(super) struct Nat {
    inside: Ipv4Addr,
    pub(super) outside: Ipv4Addr,
    /// Protocol, port inside, address and port outside.
    spoken: BTreeSet<(u8, u16, IpAddr, u16)>,
}

impl Nat {
    pub(super) const fn new(inside: Ipv4Addr, outside: Ipv4Addr) -> Self {
        Self { inside, outside, spoken: BTreeSet::new() }
    }

    /// A packet from inside; false if it is nothing that is translated.
    pub(super) fn outbound(&mut self, packet: &mut [u8]) -> bool {
        let Some(ends) = ends(packet) else { return false };
        let Some((from, to)) = ends.ports.filter(|_| ends.from == self.inside) else {
            return false;
        };
        self.spoken.insert((ends.protocol, from, ends.to, to));
        readdress(packet, Side::From, self.outside);
        true
    }

    /// A packet from outside; false if nobody inside has asked for it.
    pub(super) fn inbound(&mut self, packet: &mut [u8]) -> bool {
        let Some(ends) = ends(packet) else { return false };
        let Some((from, to)) = ends.ports else { return false };
        let asked = self.spoken.contains(&(ends.protocol, to, ends.from, from));
        if asked {
            readdress(packet, Side::To, self.inside);
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(from: [u8; 4], to: [u8; 4], ports: [u8; 2]) -> Vec<u8> {
        let mut packet = vec![69, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
        packet.extend(from.into_iter().chain(to).chain([0, ports[0], 0, ports[1], 0, 8, 0, 0]));
        packet
    }

    #[test]
    fn only_answers_come_in() {
        let (inside, outside, far) = ([192, 168, 0, 1], [10, 0, 0, 1], [10, 0, 0, 9]);
        let mut nat = Nat::new(inside.into(), outside.into());
        let answer = || datagram(far, outside, [9, 4]);
        assert!(!nat.inbound(&mut answer()), "nobody has asked");
        let mut out = datagram(inside, far, [4, 9]);
        assert!(nat.outbound(&mut out));
        assert_eq!(ends(&out).map(|e| e.from), Some(outside.into()));
        let mut back = answer();
        assert!(nat.inbound(&mut back));
        assert_eq!(ends(&back).map(|e| e.to), Some(inside.into()));
        assert!(!nat.inbound(&mut datagram(far, outside, [8, 4])), "another port there");
        assert!(!nat.inbound(&mut datagram(far, outside, [9, 5])), "another port here");
        assert!(!nat.inbound(&mut datagram([10, 0, 0, 8], outside, [9, 4])), "another place");
        assert!(!nat.outbound(&mut datagram(far, inside, [1, 1])), "not from inside");
    }
}
