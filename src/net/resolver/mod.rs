//! Name resolution: a parallel stub resolver over the door's own transport, clock and randomness, so that a recording or
//! a model resolves with the same code.
//!
//! Asks the configured recursive servers and never the C library, which would block the loop. Opens no socket and no
//! file itself: configuration comes in as a value, datagrams and streams through [`Transport`].

mod cache;
mod client;
pub mod config;
pub mod message;
pub mod name;
mod window;

use std::cell::RefCell;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use futures_lite::future;

pub use config::{Hosts, ResolverConfig, parse_servers};

use self::cache::Cache;
use self::client::Client;
use self::message::{Answer, Data, Finding, Question, RecordKind};
use self::name::DomainName;
use crate::model::{NetError, NetErrorKind};
use crate::net::broker::Governor;
use crate::net::flight::Flights;
use crate::net::{Family, Names, NetFuture, Transport};
use crate::runtime::{Clock, Random};

/// Aliases followed over several answers.
const MAX_ALIAS_QUESTIONS: usize = 8;

/// The resolver; clones share servers, cache and questions in progress.
///
/// Literals, `localhost` (RFC 6761) and the hosts file are answered at once. Other names go to the servers, with the
/// search list in front for names with fewer than `ndots` dots. Answers, negative ones too, are cached; the same
/// question asked twice at the same time is sent once.
#[derive(Clone)]
pub struct Resolver(Rc<Inner>);

struct Inner {
    config: ResolverConfig,
    clock: Clock,
    client: Client,
    cache: RefCell<Cache>,
    flights: Flights<Question, Result<Answer, NetError>>,
}

impl Resolver {
    /// A resolver that asks the servers of `config` through `transport`.
    pub fn new(config: ResolverConfig, transport: Rc<dyn Transport>, clock: Clock, random: Random) -> Resolver {
        let client = Client::new(&config, transport, clock.clone(), random);
        Resolver(Rc::new(Inner { config, clock, client, cache: RefCell::default(), flights: Flights::default() }))
    }
}

impl Names for Resolver {
    fn addresses(&self, name: &str, family: Family) -> NetFuture<Vec<IpAddr>> {
        let (inner, name) = (Rc::clone(&self.0), name.to_owned());
        Box::pin(async move { inner.addresses(&name, family).await })
    }

    fn reverse(&self, addr: IpAddr) -> NetFuture<Vec<String>> {
        let inner = Rc::clone(&self.0);
        Box::pin(async move {
            let known = inner.config.hosts.names(addr);
            if !known.is_empty() {
                return Ok(known.to_vec());
            }
            if addr.is_loopback() {
                return Ok(Vec::new()); // RFC 6303: locally served, never a question for a server
            }
            let answer = inner.lookup(Question { name: DomainName::reverse(addr), kind: RecordKind::Ptr }).await?;
            let names = answer.data.iter().filter_map(|data| match data {
                Data::Name(name) => Some(name.to_string()),
                Data::Address(_) => None,
            });
            Ok(names.collect())
        })
    }

    fn pace(&self, governor: &Governor) {
        self.0.client.pace(governor.clone());
    }
}

impl Inner {
    async fn addresses(self: &Rc<Self>, text: &str, family: Family) -> Result<Vec<IpAddr>, NetError> {
        let failed = |detail: &str| NetError::new(NetErrorKind::Resolve, "resolve", printable(text)).because(detail);
        if let Ok(literal) = text.parse::<IpAddr>() {
            let fits = wanted(literal, family);
            return if fits { Ok(vec![literal]) } else { Err(failed("is an address of the other family")) };
        }
        let name = DomainName::parse(text).map_err(|detail| failed(&detail))?;
        if let Some(known) = self.known(&name, family) {
            return Ok(known);
        }
        let mut verdict = "no such name";
        for candidate in self.candidates(&name, text) {
            let (addresses, exists) = self.ask_families(&candidate, family).await?;
            if !addresses.is_empty() {
                return Ok(addresses);
            }
            if exists {
                verdict = "the name has no address of this family";
            }
        }
        Err(failed(verdict))
    }

    /// What is known without asking.
    fn known(&self, name: &DomainName, family: Family) -> Option<Vec<IpAddr>> {
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let text = name.to_string();
        let known = if name.is_localhost() { &loopback } else { self.config.hosts.addresses(&text) };
        let fitting: Vec<IpAddr> = known.iter().copied().filter(|address| wanted(*address, family)).collect();
        (!fitting.is_empty()).then_some(fitting)
    }

    /// The full names to try, in order: the search list first for short names, then the name itself.
    fn candidates(&self, name: &DomainName, text: &str) -> Vec<DomainName> {
        let complete = text.ends_with('.') || name.labels().count() > self.config.ndots;
        let search = if complete { &[] } else { self.config.search.as_slice() };
        let searched = search.iter().filter_map(|domain| DomainName::parse(&format!("{name}.{domain}")).ok());
        searched.chain([name.clone()]).collect()
    }

    /// Addresses of one full name, and whether the name exists. One family may fail if the other delivers.
    async fn ask_families(self: &Rc<Self>, name: &DomainName, family: Family) -> Result<(Vec<IpAddr>, bool), NetError> {
        let ask = |kind| self.lookup(Question { name: name.clone(), kind });
        let answers = match family {
            Family::V4 => vec![ask(RecordKind::A).await],
            Family::V6 => vec![ask(RecordKind::Aaaa).await],
            Family::Any => {
                let (v4, v6) = future::zip(ask(RecordKind::A), ask(RecordKind::Aaaa)).await;
                vec![v4, v6]
            }
        };
        let (mut addresses, mut exists, mut failure) = (Vec::new(), false, None);
        for answer in answers {
            match answer {
                Ok(answer) => {
                    exists |= answer.finding != Finding::NoSuchName;
                    addresses.extend(answer.data.iter().filter_map(|data| match data {
                        Data::Address(address) => Some(*address),
                        Data::Name(_) => None,
                    }));
                }
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if addresses.is_empty() => Err(error),
            _ => Ok((addresses, exists)),
        }
    }

    /// The answer out of the cache, from a question in progress, or from the servers.
    async fn lookup(self: &Rc<Self>, question: Question) -> Result<Answer, NetError> {
        if let Some(answer) = self.cache.borrow().get(&question, self.clock.now()) {
            return Ok(answer);
        }
        let (inner, asked) = (Rc::clone(self), question.clone());
        let work = move || async move {
            let answer = inner.ask(&asked).await?;
            inner.cache.borrow_mut().insert(asked, answer.clone(), inner.clock.now());
            Ok(answer)
        };
        self.flights.join(question, work).await
    }

    /// Asks the servers, and again for the target of an alias they leave open.
    async fn ask(&self, question: &Question) -> Result<Answer, NetError> {
        let mut current = question.clone();
        let mut ttl = u32::MAX;
        let mut seen = HashSet::from([current.name.clone()]);
        for _ in 0..MAX_ALIAS_QUESTIONS {
            let mut answer = self.client.ask(&current).await?;
            ttl = ttl.min(answer.ttl);
            match answer.finding {
                Finding::Alias(target) if seen.insert(target.clone()) => current.name = target,
                Finding::Alias(_) => break,
                _ => {
                    answer.ttl = ttl;
                    return Ok(answer);
                }
            }
        }
        let error = NetError::new(NetErrorKind::Resolve, "resolve", &question.name);
        Err(error.because("the name is an alias that leads nowhere"))
    }
}

fn wanted(address: IpAddr, family: Family) -> bool {
    match family {
        Family::Any => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    }
}

/// A name as typed, fit for an error message.
fn printable(text: &str) -> String {
    let shown: String = text.chars().take(80).flat_map(char::escape_default).collect();
    if text.chars().nth(80).is_some() { shown + "..." } else { shown }
}

#[cfg(test)]
mod tests;
