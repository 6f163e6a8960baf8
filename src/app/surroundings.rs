//! What a run takes from its machine besides the network: files the user names, name service files, interface numbers.
//! Recorded as it is read, and given back in a replay.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::cli::Settings;
use crate::error::Error;
use crate::model::Timestamp;
use crate::net::live::names;
use crate::net::record::Header;
use crate::net::resolver::ResolverConfig;

/// Where a run is.
#[derive(Default)]
pub struct Surroundings {
    /// Those of the recorded run; none on the machine itself.
    recorded: Option<Seen>,
    seen: RefCell<Seen>,
}

/// What was read, by its name.
#[derive(Default, Clone)]
struct Seen {
    files: BTreeMap<String, String>,
    interfaces: BTreeMap<String, u32>,
}

impl Surroundings {
    /// Those a recording was made in. A capture of others has none.
    pub fn of_recording(header: Option<&Header>) -> Surroundings {
        let seen = header.map(|header| Seen { files: header.files.clone(), interfaces: header.interfaces.clone() });
        Surroundings { recorded: Some(seen.unwrap_or_default()), seen: RefCell::default() }
    }

    /// The content of a file the user names: as recorded, else as `read` gives it.
    pub fn file(&self, name: &str, read: impl FnOnce() -> Result<Vec<u8>, Error>) -> Result<Vec<u8>, Error> {
        if let Some(text) = self.recorded.as_ref().and_then(|seen| seen.files.get(name)) {
            return Ok(text.clone().into_bytes());
        }
        let content = read()?;
        self.remember(name, &String::from_utf8_lossy(&content));
        Ok(content)
    }

    /// The number of an interface, for zones such as `%eth0`.
    pub fn interface(&self, name: &str) -> Option<u32> {
        if let Some(seen) = &self.recorded {
            return seen.interfaces.get(name).copied();
        }
        let index = names::interface_index(name)?;
        self.seen.borrow_mut().interfaces.insert(name.to_owned(), index);
        Some(index)
    }

    /// Where names are asked for.
    pub fn resolver(&self, settings: &Settings) -> ResolverConfig {
        let text = |path| {
            if let Some(seen) = &self.recorded {
                return seen.files.get(path).cloned().unwrap_or_default();
            }
            let text = names::text_of(path);
            self.remember(path, &text);
            text
        };
        let (servers, hosts) = (text(names::RESOLV_CONF), text(names::HOSTS));
        let mut config = names::config(&servers, &hosts, &|name| self.interface(name));
        if !settings.names.dns_servers.is_empty() {
            config.servers.clone_from(&settings.names.dns_servers);
        }
        config
    }

    fn remember(&self, name: &str, text: &str) {
        self.seen.borrow_mut().files.insert(name.to_owned(), text.to_owned());
    }

    /// What a recording of this run says of it, with all that was read until now.
    pub fn header(&self, arguments: &[String], seed: u64, started: Timestamp) -> Header {
        let seen = self.seen.borrow().clone();
        Header {
            sonde: env!("CARGO_PKG_VERSION").to_owned(),
            arguments: arguments.to_vec(),
            seed,
            started,
            files: seen.files,
            interfaces: seen.interfaces,
        }
    }
}
