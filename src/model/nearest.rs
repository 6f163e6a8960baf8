//! "Did you mean": the nearest of some known names.

/// Longer words are not mistyped names; comparing them would only cost time.
const LONGEST: usize = 40;
/// What one edit costs beside a letter in the wrong case, which costs one: case alone never adds up to an edit, but
/// decides between equals, so that `-sc` is nearer to `-sC` than to `-sT`.
const EDIT: usize = 64;

/// The name with the fewest edits from `typed`, if few enough that a slip of the finger explains them: one, or a third
/// of the letters. The first of equals wins.
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = typed.chars().take(LONGEST + 1).collect();
    // One edit turns a word of two letters into every other one: there only the case may differ.
    let edits = match letters.len() {
        0..=2 => 0,
        count if count <= LONGEST => count / 3,
        _ => return None,
    };
    let allowed = edits * EDIT + EDIT - 1;
    names
        .into_iter()
        .filter(|name| name.chars().count().abs_diff(letters.len()) <= edits)
        .map(|name| (cost(&letters, &name.chars().collect::<Vec<_>>(), EDIT, wrong_letter), name))
        .filter(|(cost, _)| *cost <= allowed)
        .min_by_key(|(cost, _)| *cost)
        .map(|(_, name)| name)
}

/// `; did you mean "x"?`, or nothing.
pub fn suggestion<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(typed, names).map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default()
}

/// How many edits lead from `a` to `b`: insert, remove or replace a character, or swap two neighbours, each character
/// touched once. The work grows with the product of both lengths: the caller bounds them.
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    cost(&a, &b, 1, |a, b| usize::from(a != b))
}

/// Optimal string alignment, with the cost of an edit and of a replacement given.
fn cost(left: &[char], right: &[char], edit: usize, replacement: impl Fn(char, char) -> usize) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).map(|column| column * edit).collect();
    for (row, &a) in left.iter().enumerate() {
        let mut current = Vec::with_capacity(above.len());
        current.push((row + 1) * edit);
        for (column, &b) in right.iter().enumerate() {
            let replaced = above[column] + replacement(a, b);
            let best = replaced.min(above[column + 1] + edit).min(current[column] + edit);
            let swapped = row > 0 && column > 0 && a == right[column - 1] && left[row - 1] == b;
            current.push(if swapped { best.min(before[column - 1] + edit) } else { best });
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

fn wrong_letter(a: char, b: char) -> usize {
    match (a == b, a.eq_ignore_ascii_case(&b)) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => EDIT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(nearest("http-titel", ["http-title", "ssl-cert"]), Some("http-title"));
        assert_eq!(nearest("tpc", ["udp", "tcp"]), Some("tcp"));
        assert_eq!(nearest("TCP", ["tcp"]), Some("tcp"));
        assert_eq!(nearest("TC", ["tcp"]), None);
        assert_eq!(nearest("zzzzzz", ["tcp"]), None);
    }

    #[test]
    fn options_are_told_apart_by_case() {
        let known = ["-sT", "-sC", "--script", "--reason", "--open"];
        let found = |word| nearest(word, known);
        assert_eq!(found("--scritp"), Some("--script"));
        assert_eq!(found("--scrpt"), Some("--script"));
        assert_eq!(found("--reasons"), Some("--reason"));
        assert_eq!(found("-sc"), Some("-sC"));
        assert_eq!(found("--frobnicate"), None);
        assert_eq!(found("-q"), None);
        assert_eq!(found(""), None);
        assert_eq!(found(&"x".repeat(100_000)), None);
    }

    #[test]
    fn distances() {
        let known = [("http", "http", 0), ("htpp", "http", 1), ("htpt", "http", 1), ("", "abc", 3), ("é", "e", 1)];
        for (a, b, edits) in known.into_iter().chain([("kitten", "sitting", 3), ("Http", "http", 1)]) {
            assert_eq!((distance(a, b), distance(b, a)), (edits, edits), "{a} {b}");
        }
    }
}
