//! One run: from settings to events to the exit code.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::mem::take;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use super::course::Course;
use super::identity::Identity;
use super::interrupt::Interrupt;
use super::keys::{Controls, Keys};
use super::probing::Probing;
use super::progress::Gauge;
use super::replay::Replayed;
use super::scripts::{self, Chosen, Engine};
use super::surroundings::Surroundings;
use super::why::Why;
use super::{complain, door, inputs, outputs, privileges, simulation, terminal};
use crate::bindings::host::is_handle;
use crate::bindings::host_scripts::Scripts;
use crate::bindings::http::Cache;
use crate::bindings::launch::Launcher;
use crate::bindings::output::to_value;
use crate::bindings::targets::Additions;
use crate::cli::{RunSettings, ScanSettings, ScriptSettings, Settings};
use crate::error::{Error, ExitCode};
use crate::model::{Ending, Event, RuleKind, RunEnd, RunStart, ScanInfo, ScriptOutcome, ScriptResult, Stage, Totals};
use crate::net::broker::{Broker, Governor, TraceLine, TraceSink};
use crate::net::faults::spoilt;
use crate::net::packets::Packets;
use crate::net::record::Recorder;
use crate::net::replay::{Mode, Recording, Replay, ReplayPackets};
use crate::net::resolver::Resolver;
use crate::net::slots::{SlotLimits, Slots};
use crate::net::traced::{PacketTrace, traced};
use crate::net::{Network, Transport};
use crate::report::{self, Reports};
use crate::runtime::{Random, Runtime};
use crate::scan::connect::Pace;
use crate::scan::pipeline::{NamePolicy, Summary};
use crate::scan::scripts::ScriptStage;
use crate::scan::{HostPlan, Pipeline};
use crate::script::Scheduler;
use crate::script::instance::{Context, EndSink, Shared};
use crate::script::registry::Registry;
use crate::script::scheduler::Setup;
use crate::target::{Exclude, Name, PortSet, Spec, Targets};

/// Script instances alive at once, as many as NSE runs: each holds two memory mappings and 14 to 65 KB.
const DEFAULT_INSTANCES: usize = 1000;
/// Probes in flight to one host unless the user says otherwise.
const PROBES_PER_HOST: usize = 512;

/// Runs a scan as `settings` say.
pub fn run(settings: Settings) -> Result<ExitCode, Error> {
    privileges::settle(settings.privileges)?;
    if let Some(path) = settings.simulate.clone() {
        return simulation::run(settings, simulation::scenario(&path)?);
    }
    let around = Surroundings::default();
    let mut prepared = Prepared::new(&settings, &around, None)?;
    let interrupt = Interrupt::listen()?;
    let runtime = Runtime::live();
    let drawn = Random::new(settings.seed);
    // What a recording is to repeat must follow from its seed, keys of TLS included.
    let random = if settings.record.is_some() { Random::new(Some(drawn.seed())) } else { drawn };
    let resolver = around.resolver(&settings);
    let recorder = match &settings.record {
        None => None,
        Some(path) => {
            let header = around.header(&settings.run.words, random.seed(), runtime.clock().now());
            let redaction = prepared.chosen.redaction(settings.record_redact);
            let recorder = Recorder::redacting(outputs::recording(path)?, &header, redaction, runtime.clock());
            Some(recorder.map_err(|error| Error::File(format!("record {}: {error}", path.display())))?)
        }
    };
    let flushing = recorder.clone().map(|recorder| runtime.spawner().spawn(recorder.keep_flushing()));
    let network = door::live(&settings, &runtime, random, resolver, recorder.as_ref());
    runtime.run(inputs::resolve_excluded(&mut prepared.exclude, take(&mut prepared.excluded), &*network.names))?;
    let (session, targets) = runtime.run(Session::new(settings, network, &runtime, prepared))?;
    let code = runtime.run(session.run(targets, interrupt.first()))?;
    drop((session, flushing, runtime)); // closes what is open, and that is recorded, too
    match recorder.map_or(Ok(()), |recorder| recorder.finish()) {
        Ok(()) => Ok(code),
        Err(error) => {
            complain(&format!("the recording is incomplete: {error}"));
            Ok(ExitCode::Failure)
        }
    }
}

/// Runs again what was recorded, as `settings` say, into `reports` if the caller has some. Nothing but the file is asked, and
/// no time passes. With `faults` what comes back is spoilt; how often, is told with their seed.
pub fn replay(
    mut settings: Settings,
    mut recording: Recording,
    mode: Mode,
    reports: Option<Reports>,
    faults: Option<u64>,
) -> Result<Replayed, Error> {
    let tape = take(&mut recording.packets);
    let header = recording.header.as_ref();
    let around = Surroundings::of_recording(header);
    let prepared = Prepared::new(&settings, &around, reports)?;
    let runtime = Runtime::simulated(header.map_or(recording.first_packet, |header| header.started));
    let seed = settings.seed.or(header.map(|header| header.seed));
    settings.seed = Some(seed.unwrap_or_default()); // the same seed every time
    settings.privileges.required = false; // a replay uses none
    settings.run = RunSettings::default(); // it keeps no journal, and nobody waits for it
    let (clock, random) = (runtime.clock(), Random::new(settings.seed));
    let replay = Replay::new(recording, mode, clock.clone(), settings.scan.connect_timeout);
    let transport: Rc<dyn Transport> = Rc::new(replay.clone());
    let taped = Rc::new(ReplayPackets::new(tape, mode, clock.clone(), runtime.spawner(), replay.differences()));
    let packets: Rc<dyn Packets> = Rc::clone(&taped) as Rc<_>;
    let (transport, packets, done) = spoilt(faults, transport, packets, &runtime, settings.scan.connect_timeout);
    let resolver = Resolver::new(around.resolver(&settings), Rc::clone(&transport), clock.clone(), random.clone());
    let network = Network { clock, random, transport, names: Rc::new(resolver), packets };
    let code = without_network(settings, network, runtime, prepared, "the replay stands still: the recording holds")?;
    replay.report_unused();
    taped.report_unused();
    Ok(Replayed { code, differences: replay.differences(), faults: done })
}

/// Runs on virtual time to the end, or until nobody can go on.
pub(super) fn without_network(
    settings: Settings,
    network: Network,
    runtime: Runtime,
    mut prepared: Prepared,
    still: &str,
) -> Result<ExitCode, Error> {
    let resolving = inputs::resolve_excluded(&mut prepared.exclude, take(&mut prepared.excluded), &*network.names);
    let stalled = || Error::Usage(format!("{still} no answer about the names to exclude"));
    runtime.run_until_stalled(resolving).ok_or_else(stalled)??;
    let opening = runtime.run_until_stalled(Session::new(settings, network, &runtime, prepared));
    let (session, targets) = opening.ok_or_else(|| Error::Usage(format!("{still} no answer about the ways")))??;
    Ok(match runtime.run_until_stalled(session.run(targets, std::future::pending())) {
        Some(code) => code?,
        None => session.stand_still(still),
    })
}

/// What is read and checked before anything is sent.
pub(super) struct Prepared {
    engine: Engine,
    chosen: Chosen,
    specs: Vec<Spec>,
    exclude: Exclude,
    excluded: Vec<Name>,
    ports: PortSet,
    identity: Identity,
    /// Where events go, if not where the settings say.
    reports: Option<Reports>,
}

impl Prepared {
    pub(super) fn new(settings: &Settings, around: &Surroundings, reports: Option<Reports>) -> Result<Prepared, Error> {
        settings.notes.iter().for_each(|note| complain(note));
        let specs = inputs::specs(&settings.targets, around)?;
        let (exclude, excluded) = inputs::exclude(&settings.targets, around)?;
        let ports = inputs::ports(&settings.ports, &settings.scan)?;
        inputs::pings(&settings.scan.discovery, &settings.ports)?;
        let mut engine = Engine::of_run(&settings.scripts)?;
        let chosen = scripts::choose(&mut engine, &settings.scripts, around)?;
        let identity = Identity::of(settings, &specs, (&exclude, &excluded), &ports, &chosen);
        Ok(Prepared { engine, chosen, specs, exclude, excluded, ports, identity, reports })
    }
}

/// Everything a run holds while it lasts.
struct Session {
    settings: Settings,
    network: Network,
    launcher: Rc<Launcher>,
    pipeline: Pipeline,
    spawner: crate::runtime::Spawner,
    scans: Vec<ScanInfo>,
    /// Of each host.
    ports: u64,
    course: Course,
    gauge: Rc<Gauge>,
    switches: Switches,
    why: Option<Rc<Why>>,
}

/// What keys change while the run lasts.
struct Switches {
    /// `-v` and `-d`.
    verbosity: Rc<Cell<(u8, u8)>>,
    /// What scripts send and receive is shown.
    trace: Rc<Cell<bool>>,
    /// Every packet is.
    packets: Rc<Cell<bool>>,
}

impl Switches {
    /// The network with its packets shown, unless they cannot be asked for any more.
    fn traced(&self, settings: &Settings, network: Network) -> Network {
        if !self.packets.get() && !settings.run.keys {
            return network;
        }
        let show = super::trace::packets(&network.clock);
        traced(&network, &PacketTrace { on: Rc::clone(&self.packets), show })
    }
}

impl Session {
    async fn new(
        settings: Settings,
        network: Network,
        runtime: &Runtime,
        prepared: Prepared,
    ) -> Result<(Session, Targets), Error> {
        let Prepared { engine, chosen, specs, exclude, ports, identity, reports, .. } = prepared;
        let interface = inputs::interface(&settings.scan, &*network.packets).await?;
        let course = Course::begin(&settings, identity, &network, reports)?;
        let targets = inputs::targets(specs, exclude).unique(true).link_scope(interface.unwrap_or(0));
        let targets = targets.in_order(course.order(&settings));
        let switches = Switches {
            verbosity: Rc::new(Cell::new((settings.report.verbose, settings.report.debug))),
            trace: Rc::new(Cell::new(settings.scripts.trace)),
            packets: Rc::new(Cell::new(settings.scan.packet_trace)),
        };
        let network = switches.traced(&settings, network);
        let why = Why::new(&settings.scripts.why, &chosen)?;
        let has_scripts = !chosen.selected.is_empty();
        let governor = Governor::new(network.clock.clone(), settings.scan.timing.max_rate);
        network.names.pace(&governor);
        let without_packets = scripts::without_packets(&settings, &chosen, &*network.packets)?;
        let launcher = launcher(&settings, &network, &engine, chosen, governor.clone(), &switches, why.as_ref());
        let launcher = Rc::new(Launcher { without_packets, ..launcher });
        let probing = Probing::new(&settings, (&ports, interface), &network, &runtime.spawner(), &governor).await?;
        let scans = probing.infos.clone();
        let plan = plan(&settings, &network, runtime, governor, &launcher, probing, &switches);
        let ports = plan.port_count() as u64;
        let probed = Rc::clone(&plan.pace.probed);
        let policy = NamePolicy { family: inputs::family(settings.targets.family), all: settings.targets.resolve_all };
        let (out, asked) = (course.sink.clone(), why.clone());
        let emit = move |event| {
            if let Some(why) = &asked {
                why.reported(&event);
            }
            out.emit(&event);
        };
        let pipeline = Pipeline::new(plan, policy, Rc::new(emit));
        let pipeline = pipeline.with_ledger(course.ledger());
        let gauge = Rc::new(Gauge {
            clock: network.clock.clone(),
            started: network.clock.now(),
            summary: pipeline.summary(),
            under_way: pipeline.under_way(),
            probed,
            ports,
            scheduler: launcher.scheduler.clone(),
            scripts: Rc::clone(&launcher.totals),
            has_scripts,
            past: RefCell::default(),
        });
        let spawner = runtime.spawner();
        Ok((
            Session { settings, network, launcher, pipeline, spawner, scans, ports, course, gauge, switches, why },
            targets,
        ))
    }

    /// Prerules, hosts, postrules; or as far as that goes until a signal.
    async fn run(&self, targets: Targets, interrupted: impl Future<Output = ()>) -> Result<ExitCode, Error> {
        let scheduler = self.launcher.scheduler.clone();
        let scheduling = self.spawner.spawn(async move { scheduler.run().await });
        let watching = self.watch();
        self.course.sink.emit(&Event::Start(self.run_start()));
        self.restore()?;
        let interrupted = {
            let mut work = pin!(self.work(targets));
            let mut signal = pin!(interrupted);
            poll_fn(|cx| {
                if self.course.sink.is_dead() {
                    return Poll::Ready(true);
                }
                if work.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(false);
                }
                signal.as_mut().poll(cx).map(|()| self.say_interrupted())
            })
            .await
        };
        self.pipeline.cancel().await;
        // To their end, not just told so: what they hold must be let go while the loop still runs.
        for task in watching.into_iter().chain([scheduling]) {
            task.cancel().await;
        }
        self.pipeline.stop().await;
        terminal::erase();
        Ok(self.finish(interrupted))
    }

    /// Reports what earlier parts of the run have done.
    fn restore(&self) -> Result<(), Error> {
        let Some(journal) = &self.course.journal else { return Ok(()) };
        journal.keep_additions(&self.launcher.additions);
        let summary = self.pipeline.summary();
        journal.restore(&mut |done| {
            self.launcher.restore(&done.host);
            summary.borrow_mut().count(&done);
            self.course.sink.emit(&Event::Host(Box::new(done.host)));
        })?;
        if self.is_postscan_partial() {
            complain(
                "--resume: postrules see only the hosts scanned from here on, so the run will count as incomplete",
            );
        }
        Ok(())
    }

    /// What scripts remembered for their postrules went with the earlier part of the run.
    fn is_postscan_partial(&self) -> bool {
        self.course.restored() > 0 && !self.launcher.index.of_kind(RuleKind::Post).is_empty()
    }

    /// Shows progress and obeys keys, as far as there is a terminal or the user asked for it.
    fn watch(&self) -> Vec<async_executor::Task<()>> {
        let run = &self.settings.run;
        let mut tasks = Vec::new();
        let drawn = terminal::can_redraw() && !self.network.clock.is_virtual();
        if drawn || run.stats_every.is_some() {
            let (gauge, every) = (Rc::clone(&self.gauge), run.stats_every);
            tasks.push(self.spawner.spawn(async move { gauge.show(drawn, every).await }));
        }
        if let Some(keys) = run.keys.then(Keys::open).flatten() {
            let controls = Controls {
                verbosity: Rc::clone(&self.switches.verbosity),
                traces: [Rc::clone(&self.switches.trace), Rc::clone(&self.switches.packets)],
                sink: self.course.sink.clone(),
                gauge: Rc::clone(&self.gauge),
            };
            tasks.push(self.spawner.spawn(keys.obey(controls, self.network.clock.clone())));
        }
        tasks
    }

    fn say_interrupted(&self) -> bool {
        complain("interrupted: nothing new is begun, what is known is reported; once more to leave at once");
        if let Some(journal) = &self.settings.run.journal {
            complain(&format!("to go on: sonde --resume {}", journal.display()));
        }
        true
    }

    async fn work(&self, mut targets: Targets) {
        let before = self.launcher.run_global(RuleKind::Pre).await;
        if !before.is_empty() {
            self.course.sink.emit(&Event::Prescan(before));
        }
        self.add_found(&mut targets);
        loop {
            self.pipeline.run(&mut targets).await;
            if !self.add_found(&mut targets) {
                break;
            }
        }
        let after = self.launcher.run_global(RuleKind::Post).await;
        if !after.is_empty() {
            self.course.sink.emit(&Event::Postscan(after));
        }
        self.launcher.scheduler.settled().await;
        if self.settings.report.debug > 0 {
            complain(&self.left_behind());
        }
    }

    /// Takes over the targets that scripts found; false if there are none.
    fn add_found(&self, targets: &mut Targets) -> bool {
        let found = self.launcher.additions.take();
        for (addr, scope) in &found {
            targets.push_address(*addr, *scope);
        }
        !found.is_empty()
    }

    /// What scripts left behind; anything but zeros is an error of the engine.
    fn left_behind(&self) -> String {
        let scheduler = &self.launcher.scheduler;
        let (threads, sockets) = (scheduler.threads(), self.launcher.broker.open_sockets());
        let stacks = crate::script::coroutine::stacks();
        let locks = if scheduler.locks().is_idle() { "idle" } else { "in use" };
        format!(
            "debug: at the end: {threads} threads alive, {sockets} sockets open, {stacks} stacks in use, locks {locks}"
        )
    }

    /// The end of a replay or simulation in which nobody can go on.
    fn stand_still(&self, still: &str) -> ExitCode {
        let waiting = self.launcher.scheduler.waiting();
        let who = if waiting.is_empty() { "the scan".to_owned() } else { waiting.join(", ") };
        complain(&format!("{still} nothing of what {who} waits for"));
        self.finish(true);
        ExitCode::Different
    }

    fn run_start(&self) -> RunStart {
        RunStart {
            version: env!("CARGO_PKG_VERSION"),
            args: self.settings.args_line.clone(),
            at: self.course.started,
            scans: self.scans.clone(),
            verbose: self.settings.report.verbose,
            debug: self.settings.report.debug,
            seed: self.course.seed,
            scan: self.course.scan.clone(),
            shard: self.settings.targets.shard,
        }
    }

    fn finish(&self, interrupted: bool) -> ExitCode {
        let summary = self.pipeline.summary().borrow().clone();
        summary.troubles.iter().for_each(|trouble| complain(trouble));
        let totals = self.totals(&summary);
        let complete = is_complete(&totals) && self.launcher.faults.get() == 0 && !self.is_postscan_partial();
        let ending = match (interrupted, complete) {
            (true, _) => Ending::Interrupted,
            (false, true) => Ending::Complete,
            (false, false) => Ending::Incomplete,
        };
        let at = self.network.clock.now();
        self.course.sink.emit(&Event::End(RunEnd { at, elapsed: at.since(self.course.started), ending, totals }));
        if let Some(why) = &self.why {
            why.tell();
        }
        match ending {
            _ if self.course.has_failed() => ExitCode::Failure,
            Ending::Interrupted => ExitCode::Interrupted,
            Ending::Incomplete if !self.settings.allow_incomplete => ExitCode::Incomplete,
            Ending::Incomplete | Ending::Complete => ExitCode::Complete,
        }
    }

    fn totals(&self, summary: &Summary) -> Totals {
        let mut totals = self.launcher.totals.borrow().clone();
        totals.up = summary.up;
        totals.down = summary.down;
        totals.degraded = summary.degraded;
        totals.unknown = summary.unknown;
        totals.unresolved = summary.unresolved;
        // Hosts that nobody ended, because the run stands still.
        let under_way = self.pipeline.under_way().len() as u64;
        totals.unfinished = summary.unfinished + under_way;
        totals.packets = self.network.packets.captured();
        totals.stages = summary.stages.clone();
        totals.ports = totals.stages.of(Stage::Ports).done;
        // What an interruption left: names not yet resolved, addresses not yet begun.
        if summary.names_left > 0 {
            totals.stages.of(Stage::Targets).skipped += summary.names_left;
        }
        if under_way > 0 {
            totals.stages.of(Stage::Ports).cancelled += under_way * self.ports;
        }
        let hosts = totals.stages.of(Stage::Hosts);
        hosts.cancelled += under_way;
        let planned = u64::try_from(summary.planned).unwrap_or(u64::MAX);
        hosts.skipped += planned.saturating_sub(hosts.planned());
        totals
    }
}

/// Whether everything planned was done: failures of peers are results, but what was cut short or never ran is not.
fn is_complete(totals: &Totals) -> bool {
    let cut_short =
        [ScriptOutcome::TimedOut, ScriptOutcome::OverBudget, ScriptOutcome::Cancelled, ScriptOutcome::Skipped];
    let scripts_done = totals.scripts.values().all(|by_outcome| cut_short.iter().all(|o| !by_outcome.contains_key(o)));
    scripts_done && totals.unresolved == 0 && totals.unfinished == 0 && totals.stages.are_complete()
}

/// How many sockets scripts may hold: `--max-parallelism` bounds them as it bounds probes.
fn slot_limits(scan: &ScanSettings) -> SlotLimits {
    let count = |limit: Option<u32>| limit.map(|limit| limit as usize);
    SlotLimits {
        total: count(scan.max_parallelism),
        per_host: count(scan.max_sockets_per_host),
        per_script: count(scan.max_sockets_per_script),
    }
}

/// Script instances alive at once. `--min-parallelism` connections need at least as many, so it raises the default.
fn instances(scripts: &ScriptSettings, scan: &ScanSettings) -> usize {
    let default = DEFAULT_INSTANCES.max(scan.min_parallelism.unwrap_or(0) as usize);
    scripts.max_instances.map_or(default, |most| most as usize)
}

/// Probes under way to one host, and in total. `--min-parallelism` raises what is not set by a maximum.
fn probes(scan: &ScanSettings) -> (usize, usize) {
    let least = scan.min_parallelism.unwrap_or(0) as usize;
    let most = scan.max_parallelism.map(|most| most as usize);
    (most.unwrap_or(PROBES_PER_HOST.max(least)), most.unwrap_or(usize::MAX))
}

fn launcher(
    settings: &Settings,
    network: &Network,
    engine: &Engine,
    chosen: Chosen,
    governor: Governor,
    switches: &Switches,
    why: Option<&Rc<Why>>,
) -> Launcher {
    let ended = why.map(|why| {
        let why = Rc::clone(why);
        Box::new(move |context: &Context, record: &ScriptResult| why.ended(context, record)) as EndSink
    });
    let limits = settings.scripts.limits;
    let sources = engine.sources(&chosen.selected);
    let shared = Shared {
        limits,
        arguments: chosen.arguments,
        library_arguments: chosen.library_arguments,
        registry: Registry::default(),
        once: RefCell::default(),
        verbosity: Rc::clone(&switches.verbosity),
        log: Box::new(|script, subject, text| complain(&format!("{script} {subject}: {text}"))),
        ended,
        is_handle,
    };
    let scheduler = Scheduler::new(Setup {
        engine: Rc::clone(&engine.rhai),
        clock: network.clock.clone(),
        max_instances: instances(&settings.scripts, &settings.scan),
        shared: Rc::new(shared),
        convert: to_value,
        sources,
    });
    let (traced, shown) = (Rc::clone(&switches.trace), super::trace::sink(network.clock.clone()));
    // Keys may switch it on later.
    let trace: Option<TraceSink> = (traced.get() || settings.run.keys).then(|| {
        Rc::new(move |line: &TraceLine<'_>| {
            if traced.get() {
                shown(line);
            }
        }) as TraceSink
    });
    let trace = why.map_or_else(|| trace.clone(), |why| Some(why.trace(trace.clone())));
    Launcher {
        scheduler,
        index: chosen.index,
        dependencies: chosen.dependencies,
        broker: Broker::new(network.clone(), governor, Slots::new(slot_limits(&settings.scan)), trace),
        limits,
        cache: Cache::default(),
        additions: Additions::default(),
        totals: Rc::new(RefCell::default()),
        faults: Cell::new(0),
        without_packets: None,
    }
}

fn plan(
    settings: &Settings,
    network: &Network,
    runtime: &Runtime,
    governor: Governor,
    launcher: &Rc<Launcher>,
    probing: Probing,
    switches: &Switches,
) -> HostPlan {
    let verbosity = Rc::clone(&switches.verbosity);
    let (per_host, total) = probes(&settings.scan);
    HostPlan {
        network: network.clone(),
        spawner: runtime.spawner(),
        pace: Pace {
            timeout: settings.scan.connect_timeout,
            retries: settings.scan.timing.max_retries,
            per_host,
            total,
            delay: settings.scan.timing.scan_delay,
            governor,
            in_flight: Rc::default(),
            probed: Rc::default(),
        },
        prober: probing.prober,
        presence: probing.presence,
        ports: probing.connect,
        scans: probing.scans,
        routes: probing.routes,
        reverse_names: settings.names.reverse,
        reverse_down: settings.names.reverse_down,
        host_timeout: settings.scan.host_timeout,
        fold: Box::new(move |ports| report::fold(ports, verbosity.get().0, verbosity.get().1)),
        scripts: (!launcher.index.is_empty()).then(|| Rc::new(Scripts(Rc::clone(launcher))) as Rc<dyn ScriptStage>),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(words: &str) -> Settings {
        let words: Vec<std::ffi::OsString> = words.split(' ').map(Into::into).collect();
        match crate::cli::parse(&words) {
            Ok(crate::cli::Command::Run(settings)) => *settings,
            _ => panic!("{words:?} is a command line"),
        }
    }

    #[test]
    fn bounds_of_parallelism_reach_probes_instances_and_slots() {
        for (words, expected) in [
            ("host", (PROBES_PER_HOST, usize::MAX, DEFAULT_INSTANCES, None)),
            ("--min-parallelism 2000 host", (2000, usize::MAX, 2000, None)),
            ("--min-parallelism 2 host", (PROBES_PER_HOST, usize::MAX, DEFAULT_INSTANCES, None)),
            ("--max-parallelism 7 host", (7, 7, DEFAULT_INSTANCES, Some(7))),
            ("-T2 host", (1, 1, DEFAULT_INSTANCES, Some(1))),
            ("-T2 --min-parallelism 4 host", (4, 4, DEFAULT_INSTANCES, Some(4))),
            ("--min-parallelism 2000 --max-script-instances 50 host", (2000, usize::MAX, 50, None)),
        ] {
            let settings = settings(words);
            let (per_host, total) = probes(&settings.scan);
            let found =
                (per_host, total, instances(&settings.scripts, &settings.scan), slot_limits(&settings.scan).total);
            assert_eq!(found, expected, "{words}");
        }
    }
}
