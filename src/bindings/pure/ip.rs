//! The Rhai module `ip`.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rhai::plugin::{export_module, exported_module};
use rhai::{Blob, Dynamic, INT};

use crate::bindings::data::{Data, view};
use crate::bindings::fault::{ARGUMENT, Fallible, PROTOCOL, script_error};
use crate::bindings::located;

/// The static module `ip`.
pub fn module() -> rhai::Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

fn address(op: &str, text: &str) -> Fallible<IpAddr> {
    text.trim().parse().map_err(|_| script_error(ARGUMENT, op, format!("`{text}` is not an IP address")))
}

/// The address as a number, left-aligned comparison included: family first.
fn number(address: IpAddr) -> (u32, u128) {
    match address {
        IpAddr::V4(v4) => (32, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (128, v6.to_bits()),
    }
}

fn from_number(width: u32, bits: u128) -> IpAddr {
    if width == 32 { IpAddr::V4(Ipv4Addr::from_bits(bits as u32)) } else { IpAddr::V6(Ipv6Addr::from_bits(bits)) }
}

/// Width of the family, the network's bits, and how many of them count.
fn network(op: &str, text: &str) -> Fallible<(u32, u128, u32)> {
    let (base, length) = text.split_once('/').map_or((text, None), |(base, length)| (base, Some(length)));
    let (width, bits) = number(address(op, base)?);
    let length = match length {
        None => width,
        Some(digits) => digits.parse().ok().filter(|length| *length <= width).ok_or_else(|| {
            script_error(ARGUMENT, op, format!("`{digits}` in `{text}` is not a prefix length up to {width}"))
        })?,
    };
    Ok((width, bits, length))
}

/// RFC 1918 and 4193; shared space of RFC 6598 is not private.
fn private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// RFC 1035 section 3.5 and RFC 3596 section 2.5.
fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let mut name = String::with_capacity(72);
            for byte in v6.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", byte & 15, byte >> 4);
            }
            name + "ip6.arpa"
        }
    }
}

/// IP addresses as text, IPv4 and IPv6 alike, without zones. What is not an address is an error `argument`.
#[export_module(manifest)]
mod natives {
    /// The address in its usual short form.
    ///
    /// ```rhai
    /// assert_eq(ip::parse("2001:DB8:0:0::1"), "2001:db8::1");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn parse(text: &str) -> Fallible<String> {
        Ok(address("ip::parse", text)?.to_string())
    }

    /// Whether the text is an address.
    ///
    /// ```rhai
    /// assert(ip::is_valid("192.0.2.1") && !ip::is_valid("192.0.2.256") && !ip::is_valid("example.org"));
    /// ```
    pub fn is_valid(text: &str) -> bool {
        address("ip::is_valid", text).is_ok()
    }

    /// 4 or 6.
    ///
    /// ```rhai
    /// assert_eq([ip::family("127.0.0.1"), ip::family("::1")], [4, 6]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn family(text: &str) -> Fallible<INT> {
        Ok(if address("ip::family", text)?.is_ipv4() { 4 } else { 6 })
    }

    /// Whether the address is for private use (RFC 1918, RFC 4193).
    ///
    /// ```rhai
    /// assert(ip::is_private("10.1.2.3") && ip::is_private("fd00::1") && !ip::is_private("192.0.2.1"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn is_private(text: &str) -> Fallible<bool> {
        Ok(private(address("ip::is_private", text)?))
    }

    /// Whether the address is the host itself (127.0.0.0/8, `::1`).
    ///
    /// ```rhai
    /// assert(ip::is_loopback("127.8.8.8") && ip::is_loopback("::1"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn is_loopback(text: &str) -> Fallible<bool> {
        Ok(address("ip::is_loopback", text)?.to_canonical().is_loopback())
    }

    /// Whether the address is valid on its link only (169.254.0.0/16, `fe80::/10`).
    ///
    /// ```rhai
    /// assert(ip::is_link_local("169.254.1.1") && ip::is_link_local("fe80::1"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn is_link_local(text: &str) -> Fallible<bool> {
        Ok(match address("ip::is_link_local", text)?.to_canonical() {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        })
    }

    /// Whether the address is a multicast group.
    ///
    /// ```rhai
    /// assert(ip::is_multicast("224.0.0.251") && ip::is_multicast("ff02::fb"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn is_multicast(text: &str) -> Fallible<bool> {
        Ok(address("ip::is_multicast", text)?.to_canonical().is_multicast())
    }

    /// The 4 or 16 bytes of an address, in network order.
    ///
    /// ```rhai
    /// assert_eq(hex::encode(ip::to_bytes("192.0.2.1")), "c0000201");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_bytes(text: &str) -> Fallible<Blob> {
        Ok(match address("ip::to_bytes", text)? {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        })
    }

    /// The address in 4 or 16 bytes; any other length is an error `protocol`.
    ///
    /// ```rhai
    /// assert_eq(ip::from_bytes(hex::decode("c0000201")), "192.0.2.1");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn from_bytes(data: &mut Data) -> Fallible<String> {
        let view = view("ip::from_bytes", data)?;
        let v4 = || <[u8; 4]>::try_from(&view[..]).ok().map(|octets| IpAddr::from(octets).to_string());
        let v6 = || <[u8; 16]>::try_from(&view[..]).ok().map(|octets| IpAddr::from(octets).to_string());
        v4().or_else(v6).ok_or_else(|| {
            script_error(PROTOCOL, "ip::from_bytes", format!("{} bytes are no address: it takes 4 or 16", view.len()))
        })
    }

    /// Whether a network, written `address/length` or as one address, holds an address. Families never mix.
    ///
    /// ```rhai
    /// assert(ip::contains("192.0.2.0/24", "192.0.2.77") && !ip::contains("192.0.2.0/25", "192.0.2.200"));
    /// assert(ip::contains("2001:db8::/32", "2001:db8:1::1") && !ip::contains("::/0", "192.0.2.1"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn contains(cidr: &str, text: &str) -> Fallible<bool> {
        let (width, base, length) = network("ip::contains", cidr)?;
        let (family, bits) = number(address("ip::contains", text)?);
        let dropped = width - length;
        Ok(family == width && (base ^ bits).checked_shr(dropped).unwrap_or(0) == 0)
    }

    /// -1, 0 or 1 as the first address comes before, at or after the second: by number, IPv4 before IPv6.
    ///
    /// ```rhai
    /// assert_eq(ip::compare("192.0.2.9", "192.0.2.10"), -1);
    /// let list = ["10.0.0.10", "10.0.0.9"];
    /// list.sort(|a, b| ip::compare(a, b));
    /// assert_eq(list[0], "10.0.0.9");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn compare(first: &str, second: &str) -> Fallible<INT> {
        let order = number(address("ip::compare", first)?).cmp(&number(address("ip::compare", second)?));
        Ok(match order {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        })
    }

    /// The address after this one; `()` after the last of its family.
    ///
    /// ```rhai
    /// assert_eq(ip::next("192.0.2.255"), "192.0.3.0");
    /// assert_eq(ip::next("255.255.255.255"), ());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn next(text: &str) -> Fallible<Dynamic> {
        let (width, bits) = number(address("ip::next", text)?);
        let last = u128::MAX.checked_shr(128 - width).unwrap_or(u128::MAX);
        if bits >= last {
            return Ok(Dynamic::UNIT);
        }
        Ok(from_number(width, bits + 1).to_string().into())
    }

    /// The address with all its digits: eight groups of four for IPv6, the usual form for IPv4.
    ///
    /// ```rhai
    /// assert_eq(ip::expand("2001:db8::1"), "2001:0db8:0000:0000:0000:0000:0000:0001");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn expand(text: &str) -> Fallible<String> {
        Ok(match address("ip::expand", text)? {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => v6.segments().map(|group| format!("{group:04x}")).join(":"),
        })
    }

    /// The shortest form of an address (RFC 5952).
    ///
    /// ```rhai
    /// assert_eq(ip::compress("2001:0db8:0000:0000:0000:0000:0000:0001"), "2001:db8::1");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn compress(text: &str) -> Fallible<String> {
        Ok(address("ip::compress", text)?.to_string())
    }

    /// The name whose PTR record names the host: below `in-addr.arpa` or `ip6.arpa`.
    ///
    /// ```rhai
    /// assert_eq(ip::reverse_name("192.0.2.1"), "1.2.0.192.in-addr.arpa");
    /// assert(ip::reverse_name("2001:db8::1").starts_with("1.0.0.0.0.0"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn reverse_name(text: &str) -> Fallible<String> {
        Ok(reverse(address("ip::reverse_name", text)?))
    }
}
