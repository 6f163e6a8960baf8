//! The HTTP/1.x client behind the `http` module of scripts.
//!
//! The way of a request: [`Client::fetch`] asks the [`Dial`] whether the script may talk to the origin, looks into the
//! run's [`Cache`], takes an idle connection or dials, writes the [`Request`] in one go, feeds what arrives to the
//! sans-IO [`Parser`], undoes content codings, and follows redirects within the rules of [`Options`].
//! Peers are hostile: everything they can make grow has a bound, and what they cut short is kept and marked
//! ([`Truncation`]). Never in here: sockets, TLS, name lookup (all behind [`Dial`]), Rhai types, a clock of its own.

mod auth;
mod cache;
mod client;
mod coding;
mod connection;
mod cookies;
mod dialler;
mod fields;
mod framing;
mod head;
mod headers;
mod lanes;
mod location;
mod natives;
mod origin;
mod parser;
mod pipeline;
mod pool;
mod redirect;
mod request;
mod response;
mod watch;

#[cfg(test)]
mod tests;

pub use auth::{Auth, Challenge, Digest, basic};
pub use cache::Cache;
pub use client::{Client, Options};
pub use cookies::{Cookie, Jar};
pub use dialler::Dialler;
pub use headers::Headers;
pub use location::{Location, resolve};
pub use natives::{arguments, register};
pub use origin::{Dial, Origin};
pub use parser::{Expect, Malformed, Parser};
pub use pool::Pool;
pub use redirect::{Redirects, Stopped};
pub use request::{Request, RequestError, USER_AGENT, Version};
pub use response::{Response, Truncation};
