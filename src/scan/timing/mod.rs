//! How fast to go on, learned from what comes back: round-trip times, congestion windows, tries, pauses. Pure arithmetic on times
//! that are handed in.

pub mod rtt;
pub mod throttle;
pub mod tries;
pub mod window;

pub use rtt::{Rtt, RttBounds};
pub use throttle::{PauseBounds, Throttle};
pub use tries::Tries;
pub use window::{Window, WindowBounds};
