//! Numbers that look unrelated, out of numbers that are not: what seeds are stretched and orders are drawn with.

/// One step of `SplitMix64` (Steele, Lea, Flood 2014): every bit of the result depends on every bit of `state`.
pub fn mixed(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
