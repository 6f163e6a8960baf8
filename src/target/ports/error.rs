//! What can be wrong with the flags about ports.

use std::fmt;

use crate::error::Error;
use crate::model::Protocol;
use crate::target::quoted;

/// Why the port flags mean nothing. Always the command line's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortError {
    /// An item of a port list is wrong.
    Item {
        /// The flag that held the list.
        flag: &'static str,
        /// The item.
        item: String,
        /// What is wrong with it and how to write it.
        problem: String,
    },
    /// A qualifier names a protocol that is not being scanned.
    NotScanned {
        /// The flag that held the list.
        flag: &'static str,
        /// The protocol.
        protocol: Protocol,
    },
    /// Two flags contradict each other; the text says which and what to do.
    Conflict(&'static str),
    /// `--top-ports` with a number that is none of 1 to 65535.
    TopCount(u32),
    /// `--port-ratio`: it selects by measured frequency, and the ranking has none.
    NoRatios,
    /// Not one port is left to scan.
    NothingLeft {
        /// Whether ports were excluded.
        excluded: bool,
        /// Whether only ranked ports were wanted.
        ranked: bool,
    },
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortError::Item { flag, item, problem } => write!(f, "{flag}: {}: {problem}", quoted(item)),
            PortError::NotScanned { flag, protocol } => {
                let (letter, scan) = match protocol {
                    Protocol::Tcp => ("T:", "TCP is not scanned; add a TCP scan such as -sT"),
                    Protocol::Udp => ("U:", "UDP is not scanned; add -sU"),
                    Protocol::Sctp => ("S:", "SCTP is not scanned; add -sY"),
                    Protocol::Ip => ("P:", "IP protocols are not scanned; add -sO"),
                };
                write!(f, "{flag}: ports are given under {letter} but {scan}, or leave them out")
            }
            PortError::Conflict(text) => f.write_str(text),
            PortError::TopCount(count) => write!(f, "--top-ports {count}: give a number from 1 to 65535"),
            PortError::NoRatios => f.write_str(
                "--port-ratio: selects ports by how often they were measured open, and sonde's ranking is editorial, without \
                 measured frequencies; use --top-ports with a number",
            ),
            PortError::NothingLeft { excluded, ranked } => {
                f.write_str("no port is left to scan")?;
                if *excluded {
                    f.write_str("; --exclude-ports removes all that were chosen")?;
                }
                if *ranked {
                    f.write_str("; --top-ports takes only ports with a known service, leave it out to scan all of -p")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for PortError {}

impl From<PortError> for Error {
    fn from(error: PortError) -> Error {
        Error::Usage(error.to_string())
    }
}
