//! The known word nearest to a mistyped one.

/// Longer words are not mistyped options; comparing them would only cost time.
const LONGEST: usize = 40;

/// The candidate with the fewest edits from `word`, if few enough that a slip of the finger explains them: one, or a
/// third of the letters. The first of equals wins.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = word.chars().take(LONGEST + 1).collect();
    if letters.len() > LONGEST {
        return None;
    }
    // A dash and one letter is one edit from every other such word: there only the case may differ.
    let allowed = if letters.len() <= 2 { SUBSTITUTION / 2 } else { (letters.len() / 3).max(1) * SUBSTITUTION };
    candidates
        .map(|candidate| (distance(&letters, &candidate.chars().collect::<Vec<_>>()), candidate))
        .filter(|&(edits, _)| edits <= allowed)
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate)
}

/// A wrong letter. A letter in the wrong case costs half, so that `-sc` is nearer to `-sC` than to `-sT`.
const SUBSTITUTION: usize = 2;

/// Optimal string alignment distance: insert, remove, replace, or swap two neighbours.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).map(|column| column * SUBSTITUTION).collect();
    for (row, &a) in left.iter().enumerate() {
        let mut current = Vec::with_capacity(above.len());
        current.push((row + 1) * SUBSTITUTION);
        for (column, &b) in right.iter().enumerate() {
            let replaced = above[column] + replacement(a, b);
            let best = replaced.min(above[column + 1] + SUBSTITUTION).min(current[column] + SUBSTITUTION);
            let swapped = row > 0 && column > 0 && a == right[column - 1] && left[row - 1] == b;
            current.push(if swapped { best.min(before[column - 1] + SUBSTITUTION) } else { best });
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

fn replacement(a: char, b: char) -> usize {
    match (a == b, a.eq_ignore_ascii_case(&b)) {
        (true, _) => 0,
        (false, true) => SUBSTITUTION / 2,
        (false, false) => SUBSTITUTION,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let known = ["-sC", "-sT", "--script", "--reason", "--open"];
        let found = |word| nearest(word, known.into_iter());
        assert_eq!(found("--scritp"), Some("--script"));
        assert_eq!(found("--scrpt"), Some("--script"));
        assert_eq!(found("--reasons"), Some("--reason"));
        assert_eq!(found("-sc"), Some("-sC"));
        assert_eq!(found("--frobnicate"), None);
        assert_eq!(found("-q"), None);
        assert_eq!(found(""), None);
        assert_eq!(found(&"x".repeat(100_000)), None);
    }
}
