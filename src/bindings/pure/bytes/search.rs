//! Substring search over bytes in linear time, whatever a peer sends.

/// Offset of the first `needle` in `haystack` (Knuth, Morris and Pratt 1977). An empty needle is found at once.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let Some(first) = needle.first() else { return Some(0) };
    if needle.len() == 1 {
        return haystack.iter().position(|byte| byte == first);
    }
    let borders = borders(needle);
    let mut matched = 0;
    for (at, byte) in haystack.iter().enumerate() {
        while matched > 0 && needle.get(matched) != Some(byte) {
            matched = borders.get(matched - 1).copied().unwrap_or(0);
        }
        if needle.get(matched) == Some(byte) {
            matched += 1;
        }
        if matched == needle.len() {
            return Some(at + 1 - matched);
        }
    }
    None
}

/// For each prefix, the length of the longest proper prefix that also ends it.
fn borders(needle: &[u8]) -> Vec<usize> {
    let mut table: Vec<usize> = Vec::with_capacity(needle.len());
    let mut length = 0;
    for (at, byte) in needle.iter().enumerate() {
        while length > 0 && needle.get(length) != Some(byte) {
            length = table.get(length - 1).copied().unwrap_or(0);
        }
        if at > 0 && needle.get(length) == Some(byte) {
            length += 1;
        }
        table.push(length);
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_the_obvious_way(haystack in "[ab]{0,40}", needle in "[ab]{0,6}") {
            prop_assert_eq!(super::find(haystack.as_bytes(), needle.as_bytes()), haystack.find(&needle));
        }
    }
}
