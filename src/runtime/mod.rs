//! The one thread everything runs on: executor, clock and timers, semaphore, seeded randomness, memory accounts.
//!
//! Knows no network and no scripts. Time and randomness are handed out as values ([`Clock`], [`Random`]), so a virtual
//! clock and a seed can take their place.

pub mod channel;
pub mod clock;
pub mod executor;
pub mod hash;
pub mod latch;
pub mod locks;
pub mod memory;
pub mod random;
pub mod semaphore;
pub mod threads;

pub use clock::{Clock, Elapsed, Sleep, WallStamps};
pub use executor::{Runtime, Spawner};
pub use hash::{QuickMap, QuickSet};
pub use latch::Latch;
pub use random::Random;
pub use semaphore::{Permit, Semaphore};
pub use threads::Threads;
