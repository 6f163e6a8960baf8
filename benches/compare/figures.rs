//! Measured values of one thing, and what is said of them.

use std::fmt;
use std::time::Duration;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Bytes,
    PerSecond,
}

/// Measurements of one thing, in the order they were made.
#[derive(Debug, Clone)]
pub struct Series {
    unit: Unit,
    values: Vec<f64>,
}

impl Series {
    pub fn new(unit: Unit) -> Series {
        Series { unit, values: Vec::new() }
    }

    pub fn push(&mut self, value: f64) {
        self.values.push(value);
    }

    pub fn push_time(&mut self, time: Duration) {
        self.push(time.as_secs_f64());
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    pub fn min(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    pub fn max(&self) -> f64 {
        self.sorted().last().copied().unwrap_or(f64::NAN)
    }

    /// The middle value; of an even number, the lower of the two.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }

    /// Round by round, what this took more than `other`: drift of the machine between rounds cancels out.
    pub fn minus(&self, other: &Series) -> Series {
        let values = self.values.iter().zip(&other.values).map(|(this, that)| this - that).collect();
        Series { unit: self.unit, values }
    }

    /// A value of this series' unit, for people.
    pub fn show(&self, value: f64) -> String {
        Shown(value, self.unit).to_string()
    }
}

struct Shown(f64, Unit);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown(value, unit) = *self;
        match unit {
            Unit::Seconds if value.abs() >= 0.001 => write!(f, "{value:.3} s"),
            Unit::Seconds => write!(f, "{:.2} µs", value * 1e6),
            Unit::Bytes if value.abs() >= 1e6 => write!(f, "{:.1} MB", value / 1e6),
            Unit::Bytes => write!(f, "{:.1} KB", value / 1e3),
            Unit::PerSecond if value < 1e6 => write!(f, "{:.0} k/s", value / 1e3),
            Unit::PerSecond => write!(f, "{:.1} M/s", value / 1e6),
        }
    }
}
