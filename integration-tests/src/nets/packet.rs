//! IP packets, as far as a switch and a NAT read them.
//!
//! Invariants: nothing outside of the packet is read, whatever its headers claim; an address that is
//! changed takes the checksums along that cover it. Called by `switch` and `nat`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Who speaks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    /// As in the header; 6 is TCP, 17 UDP.
    pub(super) protocol: u8,
    /// Of TCP and UDP over IPv4, except in later fragments.
    pub(super) ports: Option<(u16, u16)>,
}

/// Which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    From,
    To,
}

/// The ends of a packet; `None` for what is no IP packet.
pub(super) fn ends(packet: &[u8]) -> Option<Ends> {
    match packet.first()? >> 4 {
        4 => {
            let header = packet.get(..20)?;
            let (from, to) = (v4(header, Side::From), v4(header, Side::To));
            let protocol = header[9];
            Some(Ends { from: from.into(), to: to.into(), protocol, ports: ports(packet) })
        }
        6 => {
            let from = <[u8; 16]>::try_from(packet.get(8..24)?).ok()?;
            let to = <[u8; 16]>::try_from(packet.get(24..40)?).ok()?;
            let (from, to) = (Ipv6Addr::from(from).into(), Ipv6Addr::from(to).into());
            Some(Ends { from, to, protocol: packet[6], ports: None })
        }
        _ => None,
    }
}

const fn place(side: Side) -> usize {
    match side {
        Side::From => 12,
        Side::To => 16,
    }
}

fn v4(header: &[u8], side: Side) -> Ipv4Addr {
    let at = place(side);
    Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3])
}

/// Where the content of an IPv4 packet begins, if it is a first or only fragment.
fn content(packet: &[u8]) -> Option<usize> {
    let later = u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff;
    (later == 0).then_some(usize::from(packet[0] & 15) * 4)
}

fn ports(packet: &[u8]) -> Option<(u16, u16)> {
    let at = content(packet).filter(|_| matches!(packet[9], TCP | UDP))?;
    let four = packet.get(at..at + 4)?;
    Some((u16::from_be_bytes([four[0], four[1]]), u16::from_be_bytes([four[2], four[3]])))
}

/// Changes one address of an IPv4 packet, which `ends` has read before.
pub(super) fn readdress(packet: &mut [u8], side: Side, new: Ipv4Addr) {
    let old = v4(packet, side).octets();
    let new = new.octets();
    let at = place(side);
    packet[at..at + 4].copy_from_slice(&new);
    adjust(packet, 10, old, new);
    let sum = match (content(packet), packet[9]) {
        (Some(at), TCP) => at + 16,
        (Some(at), UDP) => at + 6,
        _ => return,
    };
    // A datagram may do without a checksum.
    if packet.get(sum..sum + 2).is_some_and(|two| packet[9] == TCP || two != [0, 0]) {
        adjust(packet, sum, old, new);
    }
}

/// RFC 1624: the checksum at this place, when four bytes that it covers have changed.
fn adjust(packet: &mut [u8], at: usize, old: [u8; 4], new: [u8; 4]) {
    let word = |high, low| u32::from(u16::from_be_bytes([high, low]));
    let mut sum = u32::from(!u16::from_be_bytes([packet[at], packet[at + 1]]));
    for half in [0, 2] {
        sum += u32::from(!u16::from_be_bytes([old[half], old[half + 1]]));
        sum += word(new[half], new[half + 1]);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).unwrap_or_default();
    packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A datagram of 11 bytes as a kernel made it, from 10.99.0.1 to 10.99.0.3.
    fn datagram() -> Vec<u8> {
        let mut packet = vec![69, 0, 0, 31, 162, 70, 64, 0, 64, 17, 131, 190, 10, 99, 0, 1, 10];
        packet.extend([99, 0, 3, 0x9c, 0x40, 0, 55, 0, 11, 0, 0, b'h', b'i', b'\n']);
        let sum = udp_sum(&packet);
        packet[26..28].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    fn fold(bytes: impl Iterator<Item = u8>) -> u16 {
        let bytes: Vec<u8> = bytes.collect();
        let words = bytes
            .chunks(2)
            .map(|two| u32::from(u16::from_be_bytes([two[0], two.get(1).copied().unwrap_or(0)])));
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    /// What the checksum of the datagram should be, from scratch.
    fn udp_sum(packet: &[u8]) -> u16 {
        let mut packet = packet.to_vec();
        packet[26..28].fill(0);
        let pseudo = packet[12..20].iter().copied().chain([0, 17, packet[24], packet[25]]);
        fold(pseudo.chain(packet[20..].iter().copied()))
    }

    #[test]
    fn a_packet_is_read_and_what_is_cut_off_is_not() {
        let ends = ends(&datagram()).expect("a datagram");
        assert_eq!((ends.from, ends.to), ([10, 99, 0, 1].into(), [10, 99, 0, 3].into()));
        assert_eq!((ends.protocol, ends.ports), (17, Some((40_000, 55))));
        for length in 0..20 {
            assert_eq!(super::ends(&datagram()[..length]), None);
        }
        assert_eq!(super::ends(&datagram()[..22]).and_then(|ends| ends.ports), None);
        assert_eq!(super::ends(&[0x60; 39]), None);
        assert!(super::ends(&[0x60; 40]).is_some());
    }

    #[test]
    fn a_changed_address_keeps_the_checksums_right() {
        for (side, new) in [(Side::From, [192, 168, 255, 254]), (Side::To, [0, 1, 254, 255])] {
            let mut packet = datagram();
            readdress(&mut packet, side, new.into());
            assert_eq!(fold(packet[..20].iter().copied()), 0, "the header's");
            assert_eq!(packet[26..28], udp_sum(&packet).to_be_bytes(), "the datagram's");
        }
    }
}
