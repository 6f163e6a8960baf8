//! The door to the machine's network, opened as the settings want it.

use std::rc::Rc;

use crate::cli::Settings;
use crate::net::live::{LivePackets, LiveTransport, Privileges, raise_descriptor_limit};
use crate::net::packets::Packets;
use crate::net::record::{RecordedPackets, RecordedTransport, Recorder, observer};
use crate::net::resolver::{Resolver, ResolverConfig};
use crate::net::{Network, Transport};
use crate::runtime::{Random, Runtime};

/// Sockets of the resolver, apart from all others: a lookup must not wait for the script that waits for it.
const RESOLVER_SOCKETS: usize = 128;

/// The machine's network as the settings want it used, recorded if there is a recorder.
pub fn live(
    settings: &Settings,
    runtime: &Runtime,
    random: Random,
    resolver: ResolverConfig,
    recorder: Option<&Recorder>,
) -> Network {
    let clock = runtime.clock();
    let most = raise_descriptor_limit();
    let sockets = settings.scan.max_sockets.map_or(most, |wanted| (wanted as usize).min(most));
    let transport = |sockets| -> Rc<dyn Transport> {
        let live = Rc::new(LiveTransport::new(clock.clone(), sockets, settings.scan.connect_timeout));
        match recorder {
            None => live,
            Some(recorder) => Rc::new(RecordedTransport::new(live, recorder.clone())),
        }
    };
    let (transport, lookups) = (transport(sockets), transport(RESOLVER_SOCKETS));
    let names = Rc::new(Resolver::new(resolver, lookups, clock.clone(), random.clone()));
    let privileges = Privileges::new(!settings.privileges.forbidden);
    let packets = LivePackets::new(clock.clone(), random.derive("packets"), runtime.spawner(), privileges);
    let packets: Rc<dyn Packets> = match recorder {
        None => Rc::new(packets),
        Some(recorder) => {
            packets.observe(observer(recorder.clone()));
            Rc::new(RecordedPackets::new(Rc::new(packets), recorder.clone()))
        }
    };
    Network { clock, random, transport, names, packets }
}
