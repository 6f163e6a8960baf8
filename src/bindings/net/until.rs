//! What `net::receive_until` waits for: bytes, a pattern, or a function of the script.

use std::cell::Cell;
use std::rc::Rc;

use rhai::{Array, Blob, Dynamic, FnPtr, INT, NativeCallContext};

use super::Socket;
use super::natives::delimiter;
use crate::bindings::fault::{ARGUMENT, Fallible, script_error};
use crate::bindings::pure::regex::{Regex, program};
use crate::bindings::reach::{bytes_of, wait_net};

const OP: &str = "net::receive_until";

/// Reads up to and including what `wanted` finds, without the find itself unless `keep`.
pub fn receive(
    call: &NativeCallContext<'_>,
    sock: Socket,
    wanted: &Dynamic,
    keep: bool,
    limit: usize,
) -> Fallible<Blob> {
    if let Some(function) = wanted.read_lock::<FnPtr>() {
        return by_function(call, &sock, &function, keep, limit);
    }
    // Where the find begins, for leaving it out.
    let start = Rc::new(Cell::new(0));
    let seen = Rc::clone(&start);
    let read = if wanted.read_lock::<Regex>().is_some() {
        let pattern = program(OP, wanted)?;
        wait_net(async move {
            let find = |data: &[u8]| {
                let found = pattern.find(data)?;
                seen.set(found.start());
                Some(found.end())
            };
            sock.receive_until(limit, find).await
        })
    } else {
        let pattern = bytes_of(OP, wanted)?;
        if pattern.is_empty() {
            return Err(script_error(ARGUMENT, OP, "the delimiter is empty"));
        }
        wait_net(async move {
            let (length, mut find) = (pattern.len(), delimiter(pattern));
            let find = |data: &[u8]| {
                let end = find(data)?;
                seen.set(end - length);
                Some(end)
            };
            sock.receive_until(limit, find).await
        })
    };
    read.map(|data| cut(data, keep, start.get()))
}

fn cut(mut data: Blob, keep: bool, start: usize) -> Blob {
    if !keep {
        data.truncate(start);
    }
    data
}

/// Asks the function after each piece that arrives; it may wait itself, and what it does not take stays.
fn by_function(
    call: &NativeCallContext<'_>,
    sock: &Socket,
    function: &FnPtr,
    keep: bool,
    limit: usize,
) -> Fallible<Blob> {
    let mut known = 0;
    loop {
        let data = sock.leftover();
        if data.len() > known {
            known = data.len();
            let answer = function.call_within_context::<Dynamic>(call, (Dynamic::from_blob(data),))?;
            if let Some((start, end)) = range(&answer, known)? {
                return Ok(cut(sock.take_leftover(end), keep, start));
            }
        }
        if known >= limit {
            let message = format!("{limit} bytes came without what was waited for");
            return Err(script_error("protocol", OP, message));
        }
        let more = sock.clone();
        wait_net(async move { more.receive_more().await })?;
    }
}

/// What a function said: nothing yet, the end of the find, or its start and end.
fn range(answer: &Dynamic, length: usize) -> Fallible<Option<(usize, usize)>> {
    let number = |value: &Dynamic| value.as_int().ok().and_then(|n: INT| usize::try_from(n).ok());
    if answer.is_unit() {
        return Ok(None);
    }
    let found = match answer.read_lock::<Array>().as_deref().map(Vec::as_slice) {
        Some([start, end]) => number(start).zip(number(end)),
        _ => number(answer).map(|end| (end, end)),
    };
    let found = found.filter(|(start, end)| start <= end && *end <= length);
    found.map(Some).ok_or_else(|| {
        let message = format!("the function returns (), an end, or [start, end] within {length}, not {answer}");
        script_error(ARGUMENT, OP, message)
    })
}
