//! The anchor: the least a client on the same executor and reactor can do to get all titles. No scan, no scripts, no
//! HTTP beyond one request and a search for the title.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;

use async_executor::LocalExecutor;
use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::process::Program;
use super::{Failure, HOSTS, nginx};

/// The bench starts itself with this word to be the anchor: a process of its own, like everybody else.
pub const WORD: &str = "bare-client";

/// The anchor as a program, with so many hosts under way at once.
pub fn program(bench: &Path, port: &str, in_flight: usize) -> Program {
    Program::new("bare client", bench, [WORD, port, &in_flight.to_string()])
}

/// Fetches the page of every host and prints how many titles were right.
pub fn run(words: &[String]) -> Result<(), Failure> {
    let [port, in_flight] = words else { return Err("the bare client takes a port and a number".into()) };
    let (port, in_flight): (u16, usize) = (port.parse()?, in_flight.parse()?);
    let (next, right) = (Cell::new(0), Cell::new(0));
    let executor = LocalExecutor::new();
    let workers: Vec<_> = (0..in_flight.min(HOSTS)).map(|_| executor.spawn(work(port, &next, &right))).collect();
    async_io::block_on(executor.run(async {
        for worker in workers {
            worker.await?;
        }
        io::Result::Ok(())
    }))?;
    println!("{} of {HOSTS} titles are right", right.get());
    Ok(())
}

/// Takes host after host until none is left.
async fn work(port: u16, next: &Cell<usize>, right: &Cell<usize>) -> io::Result<()> {
    let mut page = Vec::with_capacity(4096);
    while next.get() < HOSTS {
        let host = Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 0, 0).to_bits() + next.get() as u32);
        next.set(next.get() + 1);
        page.clear();
        fetch(SocketAddr::from((host, port)), &mut page).await?;
        right.set(right.get() + usize::from(title(&page) == Some(nginx::TITLE.as_bytes())));
    }
    Ok(())
}

async fn fetch(peer: SocketAddr, page: &mut Vec<u8>) -> io::Result<()> {
    let mut stream = Async::<TcpStream>::connect(peer).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").await?;
    stream.read_to_end(page).await?;
    Ok(())
}

fn title(page: &[u8]) -> Option<&[u8]> {
    let find = |text: &[u8], from: usize| {
        let at = page.get(from..)?.windows(text.len()).position(|window| window == text)?;
        Some(from + at)
    };
    let start = find(b"<title>", 0)? + b"<title>".len();
    page.get(start..find(b"</title>", start)?)
}
