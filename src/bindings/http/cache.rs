//! The run's cache of answers, with single flight: scripts that ask for the same page at the same time share one request.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::rc::Rc;

use super::{Origin, Request, Response};
use crate::model::NetError;
use crate::runtime::{Permit, Semaphore};

/// Bytes held unless told otherwise.
const DEFAULT_LIMIT: usize = 4 << 20;

/// Everything that makes two requests the same one.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub origin: Origin,
    pub request: Request,
    pub body_limit: usize,
    pub decode: bool,
}

/// A key with its hash. A request goes through seven lookups on its way and has two dozen fields: they are hashed once.
#[derive(PartialEq, Eq)]
struct Hashed {
    hash: u64,
    key: Key,
}

impl Hash for Hashed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Answers of the run, bounded in bytes; the least recently used go first. Clones share it.
#[derive(Clone)]
pub struct Cache(Rc<RefCell<Store>>);

struct Store {
    limit: usize,
    held: usize,
    /// Counts uses, to order entries by.
    uses: u64,
    hashing: RandomState,
    entries: HashMap<Rc<Hashed>, Entry>,
    by_use: BTreeMap<u64, Rc<Hashed>>,
    flights: HashMap<Rc<Hashed>, Rc<Flight>>,
}

struct Entry {
    response: Response,
    weight: usize,
    used: u64,
}

/// A request under way and those who wait for it.
struct Flight {
    /// One slot: whoever has it makes the request. It passes on when its holder dies.
    turn: Semaphore,
    result: RefCell<Option<Result<Response, NetError>>>,
}

/// What came of asking.
pub(super) enum Turn {
    /// Somebody has the answer already.
    Answered(Result<Response, NetError>),
    /// The caller is to make the request.
    Lead(Lead),
}

/// The duty to make a request for all who want its answer. Dropped without [`Lead::land`], it passes to the next.
pub(super) struct Lead {
    _permit: Permit,
    seat: Seat,
}

/// Membership in a flight; the last one out removes it.
struct Seat {
    cache: Cache,
    key: Rc<Hashed>,
    flight: Rc<Flight>,
}

impl Default for Cache {
    fn default() -> Cache {
        Cache::new(DEFAULT_LIMIT)
    }
}

impl Cache {
    /// A cache that holds about `limit` bytes.
    pub fn new(limit: usize) -> Cache {
        Cache(Rc::new(RefCell::new(Store {
            limit,
            held: 0,
            uses: 0,
            hashing: RandomState::new(),
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
            flights: HashMap::new(),
        })))
    }

    /// Answers held.
    pub fn len(&self) -> usize {
        self.0.borrow().entries.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held, roughly.
    pub fn weight(&self) -> usize {
        self.0.borrow().held
    }

    /// The stored answer, the one somebody is just fetching, or the duty to fetch it.
    pub(super) async fn turn(&self, key: Key) -> Turn {
        let key = Hashed { hash: self.0.borrow().hashing.hash_one(&key), key };
        if let Some(response) = self.0.borrow_mut().get(&key) {
            return Turn::Answered(Ok(response));
        }
        let seat = self.join(key);
        let permit = seat.flight.turn.acquire().await;
        let landed = seat.flight.result.borrow().clone();
        match landed {
            Some(result) => Turn::Answered(result),
            None => Turn::Lead(Lead { _permit: permit, seat }),
        }
    }

    fn join(&self, key: Hashed) -> Seat {
        let mut store = self.0.borrow_mut();
        let known = store.flights.get_key_value(&key).map(|(key, flight)| (Rc::clone(key), Rc::clone(flight)));
        let (key, flight) = known.unwrap_or_else(|| {
            let key = Rc::new(key);
            let flight = Rc::new(Flight { turn: Semaphore::new(1), result: RefCell::default() });
            store.flights.insert(Rc::clone(&key), Rc::clone(&flight));
            (key, flight)
        });
        Seat { cache: self.clone(), key, flight }
    }
}

impl Lead {
    /// Hands `result` to all who wait, and keeps it for later if it is an answer that asking again would not better.
    pub fn land(self, result: &Result<Response, NetError>) {
        *self.seat.flight.result.borrow_mut() = Some(result.clone());
        let mut store = self.seat.cache.0.borrow_mut();
        if store.flights.get(&self.seat.key).is_some_and(|flight| Rc::ptr_eq(flight, &self.seat.flight)) {
            store.flights.remove(&self.seat.key);
        }
        if let Ok(response) = result
            && !response.truncated.is_some_and(super::Truncation::is_transient)
        {
            store.insert(&self.seat.key, response);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut store = self.cache.0.borrow_mut();
        let ours = store.flights.get(&self.key).is_some_and(|flight| Rc::ptr_eq(flight, &self.flight));
        if ours && Rc::strong_count(&self.flight) == 2 {
            store.flights.remove(&self.key); // we and the map: nobody else waits
        }
    }
}

impl Store {
    fn get(&mut self, key: &Hashed) -> Option<Response> {
        let entry = self.entries.get_mut(key)?;
        self.uses += 1;
        let shared = self.by_use.remove(&entry.used)?;
        entry.used = self.uses;
        self.by_use.insert(self.uses, shared);
        Some(entry.response.clone())
    }

    fn insert(&mut self, key: &Rc<Hashed>, response: &Response) {
        let weight = response.weight() + 256 + key.key.request.path.len();
        if weight > self.limit / 4 {
            return; // one page must not push out all others
        }
        self.remove(key);
        while self.held + weight > self.limit
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.remove(&oldest);
        }
        self.uses += 1;
        self.held += weight;
        self.by_use.insert(self.uses, Rc::clone(key));
        self.entries.insert(Rc::clone(key), Entry { response: response.clone(), weight, used: self.uses });
    }

    fn remove(&mut self, key: &Hashed) {
        if let Some(entry) = self.entries.remove(key) {
            self.held -= entry.weight;
            self.by_use.remove(&entry.used);
        }
    }
}
