//! SSH over any [`Stream`](super::Stream): looking at servers of any age, and running commands.
//!
//! Two halves. [`inspect`] looks: identification, algorithms, host keys, authentication methods. It has a handshake of its
//! own, because old servers want algorithms no crate still has, and because no crate tells what a server offers. It does not
//! check the server's signature and carries no secret. [`exec`] logs in and runs a command; its protocol is the crate
//! `sunset`, which has no I/O either, checks signatures, and speaks modern algorithms only.
//!
//! Both are futures over a stream they are given, so a hundred sessions proceed side by side.

mod connection;
mod exchange;
pub mod exec;
mod groups;
mod hostkey;
mod identification;
pub mod inspect;
mod kexinit;
mod packets;
mod private_key;
mod protection;
mod wire;

pub use hostkey::HostKey;
pub use identification::Identification;
pub use kexinit::{Algorithms, LISTS};
pub use private_key::PrivateKey;
