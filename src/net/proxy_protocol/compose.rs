//! Writes a header.

use super::{Addresses, SIGNATURE, Version};
use std::net::{IpAddr, Ipv6Addr};

/// Version 2, by command.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
/// TCP, by address family.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

impl Version {
    /// The header for a connection between `addresses`; without any for one that the sender makes for itself, as for a
    /// health check (v1 `UNKNOWN`, v2 `LOCAL`).
    pub fn header(self, addresses: Option<&Addresses>) -> Vec<u8> {
        match (self, addresses) {
            (Self::V1, None) => b"PROXY UNKNOWN\r\n".to_vec(),
            (Self::V1, Some(addresses)) => line(addresses).into_bytes(),
            (Self::V2, None) => fixed(LOCAL, 0, 0),
            (Self::V2, Some(addresses)) => binary(addresses),
        }
    }

    /// The name that the config and people have for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// The two addresses in one family: a header has room for one. An IPv4 address has its IPv6 form (RFC 4291 section
/// 2.5.5.2).
enum Ips {
    V4([[u8; 4]; 2]),
    V6([[u8; 16]; 2]),
}

impl Ips {
    fn of(addresses: &Addresses) -> Self {
        let wide = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        match (addresses.source.ip(), addresses.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Self::V4([source.octets(), destination.octets()]),
            (source, destination) => Self::V6([wide(source).octets(), wide(destination).octets()]),
        }
    }
}

fn line(addresses: &Addresses) -> String {
    let (kind, [source, destination]) = match Ips::of(addresses) {
        Ips::V4(ips) => ("TCP4", ips.map(IpAddr::from)),
        Ips::V6(ips) => ("TCP6", ips.map(|ip| IpAddr::V6(Ipv6Addr::from(ip)))),
    };
    format!("PROXY {kind} {source} {destination} {} {}\r\n", addresses.source.port(), addresses.destination.port())
}

fn binary(addresses: &Addresses) -> Vec<u8> {
    let ips = Ips::of(addresses);
    let mut header = match &ips {
        Ips::V4(ips) => fixed(PROXY, TCP4, 12).into_iter().chain(ips.concat()).collect::<Vec<_>>(),
        Ips::V6(ips) => fixed(PROXY, TCP6, 36).into_iter().chain(ips.concat()).collect(),
    };
    header.extend(addresses.source.port().to_be_bytes());
    header.extend(addresses.destination.port().to_be_bytes());
    header
}

fn fixed(command: u8, family: u8, length: u16) -> Vec<u8> {
    [&SIGNATURE[..], &[command, family], &length.to_be_bytes()].concat()
}
