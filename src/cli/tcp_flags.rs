//! The value of `--scanflags`: the flags of a TCP header.

use super::values::Fault;

/// Names and bits, as in the header (RFC 9293, section 3.1).
const FLAGS: [(&str, u8); 8] = [
    ("CWR", 0x80),
    ("ECE", 0x40),
    ("URG", 0x20),
    ("ACK", 0x10),
    ("PSH", 0x08),
    ("RST", 0x04),
    ("SYN", 0x02),
    ("FIN", 0x01),
];

const NO_FLAGS: Fault = Fault {
    problem: "no TCP flags",
    remedy: "write names glued together, such as SYNFIN, of FIN SYN RST PSH ACK URG ECE CWR; or a number, 0 to 255 or 0x00 to 0xff",
};

/// The flags: names glued together in any case and order, `,` and `|` between them or not; or a number.
pub(super) fn parse(text: &str) -> Result<u8, Fault> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let (digits, radix) = hexadecimal.map_or((text, 10), |digits| (digits, 16));
        // `from_str_radix` would take a sign.
        if digits.starts_with('+') {
            return Err(NO_FLAGS);
        }
        return u8::from_str_radix(digits, radix).map_err(|_| NO_FLAGS);
    }
    let mut rest = text.trim_start_matches([',', '|']);
    let mut flags = 0;
    while !rest.is_empty() {
        let name = rest.get(..3).ok_or(NO_FLAGS)?;
        let (_, bit) = FLAGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).ok_or(NO_FLAGS)?;
        flags |= bit;
        rest = rest.get(3..).unwrap_or_default().trim_start_matches([',', '|']);
    }
    if flags == 0 { Err(NO_FLAGS) } else { Ok(flags) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_names_and_numbers() {
        for (text, flags) in [
            ("SYN", 0x02),
            ("SYNACKURG", 0x32),
            ("finpshrst", 0x0d),
            ("ECECWR", 0xc0),
            ("SYN,FIN", 0x03),
            ("SYN|ACK", 0x12),
            ("SYNSYN", 0x02),
            ("0", 0),
            ("18", 0x12),
            ("255", 0xff),
            ("0x29", 0x29),
            ("0XfF", 0xff),
        ] {
            assert_eq!(parse(text), Ok(flags), "{text}");
        }
        for text in ["", ",", "SY", "SYNA", "SYNFOO", "256", "-1", "+1", "0x", "0x+1", "0x100", "1e2", "SYN ACK", "ééé"]
        {
            assert_eq!(parse(text), Err(NO_FLAGS), "{text}");
        }
    }
}
