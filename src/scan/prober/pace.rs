//! How hard a run probes: the numbers of `-T0` to `-T5` and what the user set instead.

use std::time::Duration;

use super::plan::Plan;
use crate::scan::timing::tries::TryBounds;
use crate::scan::timing::{PauseBounds, Rtt, RttBounds, WindowBounds};

/// Numbers of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// Bounds of the time-out.
    pub rtt: RttBounds,
    /// Tries after the first.
    pub retries: u32,
    /// Pause between probes of one host that the user asked for.
    pub delay: Duration,
    /// Longest pause a scan chooses by itself: TCP and SCTP, UDP.
    pub max_delay: (Duration, Duration),
    /// Bounds of parallelism: at least, at most; for one host and for all.
    pub parallelism: (Option<u32>, Option<u32>),
    /// Aggressiveness, 0 to 5.
    pub template: u8,
    /// Probes a second that are sent whatever the windows say.
    pub min_rate: Option<f64>,
    /// All probes leave from one port (`--source-port`).
    pub fixed_port: bool,
    /// Resets after a retransmission are no sign of loss.
    pub defeat_rst: bool,
    /// Closed UDP ports after a retransmission are none.
    pub defeat_icmp: bool,
}

/// `-T3`.
impl Default for Pace {
    fn default() -> Pace {
        let ms = Duration::from_millis;
        Pace {
            rtt: RttBounds { initial: ms(1000), min: ms(100), max: ms(10_000) },
            retries: 10,
            delay: Duration::ZERO,
            max_delay: (ms(1000), ms(1000)),
            parallelism: (None, None),
            template: 3,
            min_rate: None,
            fixed_port: false,
            defeat_rst: false,
            defeat_icmp: false,
        }
    }
}

/// Probes to one host on their way at most, unless the user says otherwise.
const HOST_WINDOW: f64 = 1000.0;
/// Probes to all hosts on their way at most.
const WINDOW: f64 = 20_000.0;
/// Many routers are silent for good, and none is worth more.
const HOP_RETRIES: u32 = 2;

impl Pace {
    /// Bounds of one host's window.
    pub fn host_window(&self) -> WindowBounds {
        let (low, high) = self.parallelism;
        let low = f64::from(low.unwrap_or(1).max(1));
        let high = high.map_or(HOST_WINDOW, f64::from).max(low);
        WindowBounds { low, high, growth: self.growth(), backoff: self.backoff(), threshold: 75.0 }
    }

    /// Bounds of everybody's window. It opens until the first loss: silence of many hosts must not keep it small.
    pub fn window(&self) -> WindowBounds {
        let (low, high) = self.parallelism;
        let low = f64::from(low.unwrap_or(10).max(1));
        let high = high.map_or(WINDOW, f64::from);
        WindowBounds { low: low.min(high), high, growth: self.growth(), backoff: self.backoff(), threshold: high }
    }

    /// Bounds of the tries of a plan.
    pub fn tries(&self, plan: &Plan) -> TryBounds {
        let is_route = matches!(plan, Plan::Route(_));
        // One lost ARP request must not cost a host; other pings come in fours.
        let least = if plan.is_of_neighbor() || is_route { 3 } else { 2 };
        TryBounds { retries: if is_route { self.retries.min(HOP_RETRIES) } else { self.retries }, least }
    }

    /// Bounds of the pause between probes of one host.
    pub fn pause(&self, plan: &Plan) -> PauseBounds {
        let is_udp = plan.is_udp();
        let most = if is_udp { self.max_delay.1 } else { self.max_delay.0 };
        // Kernels let about one ICMP error a second pass to each destination (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4).
        PauseBounds { least: self.delay, most: most.max(self.delay), is_usual: is_udp }
    }

    /// Wait for the first answer of a host: neighbours are near.
    pub fn patience(&self, plan: &Plan) -> Duration {
        /// An ARP request is answered by the kernel of the one asked for, on the same link.
        const NEIGHBOR: Duration = Duration::from_millis(200);
        if plan.is_of_neighbor() { self.rtt.initial.min(NEIGHBOR.max(self.rtt.min)) } else { self.rtt.initial }
    }

    /// What is known of a host about which nothing is known.
    pub fn unknown(&self, plan: &Plan) -> Rtt {
        Rtt::new(RttBounds { initial: self.patience(plan), ..self.rtt })
    }

    /// Probes a second a sweep of hosts begins with, and those of port scans that no window holds back.
    pub fn sweep_rate(&self) -> f64 {
        match self.template {
            0..=2 => 1000.0,
            3 => 10_000.0,
            4 => 20_000.0,
            _ => 40_000.0,
        }
    }

    /// Pause between probes to a host nothing was ever heard of, whatever its window says: its silence may last.
    pub fn trickle(&self) -> Option<Duration> {
        let is_bounded = self.parallelism.1.is_some();
        (!is_bounded && self.template >= 3).then(|| Duration::from_millis(10) / u32::from(self.template - 2))
    }

    fn growth(&self) -> f64 {
        if self.template >= 4 { 2.0 } else { 1.0 }
    }

    fn backoff(&self) -> f64 {
        match self.template {
            0..=3 => 2.0 / 3.0,
            4 => 3.0 / 4.0,
            _ => 4.0 / 5.0,
        }
    }
}
