//! Many filters as one: duplicates fall away, hosts or ports that are asked for in the same way become one set, and what begins
//! with the same condition is asked it once.

use std::collections::{HashMap, HashSet};

use super::ast::{Direction, Expr, Joint, Test};

/// Packets that any of `filters` takes, each asked for itself.
pub(super) fn union<'a>(filters: impl Iterator<Item = &'a Expr>) -> Expr {
    let mut terms: Vec<Expr> = Vec::new();
    let mut seen: HashSet<&Expr> = HashSet::new();
    // Where in `terms` the set is that a test without its members belongs to.
    let mut sets: HashMap<Test, usize> = HashMap::new();
    // By their first condition: where terms that begin with it are, and how each goes on.
    let mut groups: HashMap<&Expr, (usize, Vec<Expr>)> = HashMap::new();
    for term in filters.flat_map(terms_of) {
        if *term == Expr::Everything {
            return Expr::Everything;
        }
        if !seen.insert(term) {
            continue;
        }
        if let Some((first, rest)) = conjunction(term) {
            let (at, all) = groups.entry(first).or_insert_with(|| {
                terms.push(first.clone());
                (terms.len() - 1, Vec::new())
            });
            all.push(rest);
            if let Some(place) = terms.get_mut(*at) {
                *place = term.clone();
            }
            continue;
        }
        let shape = match term {
            Expr::Test(test) => shape(test),
            _ => None,
        };
        match shape {
            None => terms.push(term.clone()),
            Some(shape) => {
                let at = *sets.entry(shape).or_insert(terms.len());
                match terms.get_mut(at) {
                    Some(set) => add(set, term),
                    None => terms.push(term.clone()),
                }
            }
        }
    }
    for (first, (at, rest)) in groups {
        if let Some(place) = terms.get_mut(at).filter(|_| rest.len() > 1) {
            *place = first.clone().join(Joint::And, union(rest.iter()));
        }
    }
    Expr::Any(terms)
}

/// The first of several conditions that must all hold, and the others.
fn conjunction(expr: &Expr) -> Option<(&Expr, Expr)> {
    let Expr::Chain(first, rest) = expr else { return None };
    if rest.iter().any(|(joint, _)| *joint == Joint::Or) {
        return None;
    }
    let mut others = rest.iter().map(|(_, term)| term.clone());
    let second = others.next()?;
    Some((first, others.fold(second, |all, term| all.join(Joint::And, term))))
}

/// A union's own terms.
fn terms_of(expr: &Expr) -> &[Expr] {
    match expr {
        Expr::Any(terms) => terms,
        one => std::slice::from_ref(one),
    }
}

/// The test without its members, if it may have many. Both ends in a set is more than both ends being one member of it.
fn shape(test: &Test) -> Option<Test> {
    let mut shape = test.clone();
    let direction = match &mut shape {
        Test::Host4 { nets, direction, .. } => {
            nets.clear();
            *direction
        }
        Test::Host6 { nets, direction, .. } => {
            nets.clear();
            *direction
        }
        Test::Port { ranges, direction, .. } => {
            ranges.clear();
            *direction
        }
        Test::Flow { members, .. } => {
            members.clear();
            return Some(shape);
        }
        _ => return None,
    };
    (direction != Direction::Both).then_some(shape)
}

fn add(set: &mut Expr, term: &Expr) {
    match (set, term) {
        (Expr::Test(Test::Host4 { nets, .. }), Expr::Test(Test::Host4 { nets: more, .. })) => nets.extend(more),
        (Expr::Test(Test::Host6 { nets, .. }), Expr::Test(Test::Host6 { nets: more, .. })) => nets.extend(more),
        (Expr::Test(Test::Port { ranges, .. }), Expr::Test(Test::Port { ranges: more, .. })) => ranges.extend(more),
        (Expr::Test(Test::Flow { members, .. }), Expr::Test(Test::Flow { members: more, .. })) => members.extend(more),
        _ => {}
    }
}
