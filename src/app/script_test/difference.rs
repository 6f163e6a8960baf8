//! Two texts, line by line: what is only in one of them, with a few lines around it.

/// Lines around a change.
const AROUND: usize = 2;
/// Comparisons of lines at most; beyond, what differs is told as one block.
const MOST: usize = 4 << 20;

/// The lines of a difference, none if there is none. JSON is laid out before, so that a line is one value.
pub fn of(name: &str, expected: &str, now: &str) -> Vec<String> {
    if expected == now {
        return Vec::new();
    }
    let (old, new) = (laid_out(expected), laid_out(now));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let steps = steps(&old, &new);
    let changed: Vec<usize> =
        (0..steps.len()).filter(|at| steps.get(*at).is_some_and(|(sign, _)| *sign != ' ')).collect();
    if changed.is_empty() {
        return vec![format!("{name} differs in its layout alone")];
    }
    let mut lines = vec![format!("{name}: - expected, + now")];
    let mut last = None;
    for (at, (sign, text)) in steps.iter().enumerate() {
        let near = changed.partition_point(|change| change + AROUND < at);
        if changed.get(near).is_some_and(|change| *change <= at + AROUND) {
            if last.is_some_and(|last: usize| last + 1 < at) {
                lines.push("  …".to_owned());
            }
            lines.push(format!("{sign} {text}"));
            last = Some(at);
        }
    }
    lines
}

/// Every line that is a JSON document, spread over as many as it has values.
fn laid_out(text: &str) -> String {
    let lines = text.lines().map(|line| match serde_json::from_str::<serde_json::Value>(line) {
        Ok(value) if value.is_object() => serde_json::to_string_pretty(&value).unwrap_or_else(|_| line.to_owned()),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// All lines of both, those only in one marked by whose they are: `-` the first's, `+` the second's.
fn steps<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let same = |(one, other): &(&&str, &&str)| one == other;
    let head = old.iter().zip(new).take_while(same).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(same).count();
    let middle = |lines: &[&'a str]| lines.iter().take(lines.len() - tail).skip(head).copied().collect::<Vec<_>>();
    let mut steps: Vec<(char, &str)> = old.iter().take(head).map(|line| (' ', *line)).collect();
    steps.extend(between(&middle(old), &middle(new)));
    steps.extend(old.iter().skip(old.len() - tail).map(|line| (' ', *line)));
    steps
}

/// The same where first and last lines differ: by the longest common subsequence.
fn between<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let (rows, columns) = (old.len(), new.len());
    let removed = |from: usize| old.iter().skip(from).map(|line| ('-', *line));
    let added = |from: usize| new.iter().skip(from).map(|line| ('+', *line));
    if rows.saturating_mul(columns) > MOST {
        return removed(0).chain(added(0)).collect();
    }
    // How many lines are common from a row and a column on.
    let width = columns + 1;
    let mut common = vec![0_u32; (rows + 1) * width];
    let at = |common: &[u32], row: usize, column: usize| common.get(row * width + column).copied().unwrap_or(0);
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            let best = if old.get(row) == new.get(column) {
                at(&common, row + 1, column + 1) + 1
            } else {
                at(&common, row + 1, column).max(at(&common, row, column + 1))
            };
            if let Some(place) = common.get_mut(row * width + column) {
                *place = best;
            }
        }
    }
    let (mut row, mut column, mut steps) = (0, 0, Vec::new());
    while let (Some(one), Some(other)) = (old.get(row), new.get(column)) {
        if one == other {
            steps.push((' ', *one));
            (row, column) = (row + 1, column + 1);
        } else if at(&common, row + 1, column) >= at(&common, row, column + 1) {
            steps.push(('-', *one));
            row += 1;
        } else {
            steps.push(('+', *other));
            column += 1;
        }
    }
    steps.extend(removed(row));
    steps.extend(added(column));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_no_difference() {
        assert_eq!(of("a", "x\ny\n", "x\ny\n"), Vec::<String>::new());
        assert_eq!(of("a", "x", "x\n"), ["a differs in its layout alone"]);
    }

    #[test]
    fn changes_are_shown_with_what_is_around_them() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = "1\n2\n3\nfour\n5\n6\n7\n8\n9\n10\n";
        let wanted = ["a: - expected, + now", "  2", "  3", "- 4", "+ four", "  5", "  6", "  …", "  8", "  9", "+ 10"];
        assert_eq!(of("a", old, new), wanted.map(str::to_owned));
        assert_eq!(of("a", "", "b\n"), ["a: - expected, + now", "+ b"]);
        assert_eq!(of("a", "b\nc\n", ""), ["a: - expected, + now", "- b", "- c"]);
    }

    #[test]
    fn one_value_of_a_long_line_of_json_is_one_line() {
        let wanted = ["a: - expected, + now", "  {", "    \"a\": 1,", "-   \"b\": 2", "+   \"b\": 3", "  }"];
        assert_eq!(of("a", "{\"a\":1,\"b\":2}\n", "{\"a\":1,\"b\":3}\n"), wanted.map(str::to_owned));
    }

    #[test]
    fn very_different_long_texts_are_told_as_blocks() {
        let lines = |word: &str| (0..3000).map(|n| format!("{word}{n}\n")).collect::<Vec<_>>().concat();
        assert_eq!(of("a", &lines("x"), &lines("y")).len(), 6001);
    }
}
