//! The servers that examples in the documentation talk to, on loopback and on the runtime of the test itself: they end
//! with it.

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use sonde::net::{Datagram, Listener, Origin, Stream, Transport};
use sonde::runtime::{Runtime, Spawner};

/// Ports of the servers, all on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// TCP: sends back what comes.
    pub echo: u16,
    /// UDP: sends back what comes.
    pub udp_echo: u16,
    /// HTTP: the same page for every method and path.
    pub http: u16,
}

/// Starts all of them.
pub async fn start(runtime: &Runtime, transport: &dyn Transport) -> Ports {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let spawner = runtime.spawner();
    let mut doors = Vec::new();
    for _ in 0..2 {
        doors.push(transport.listen(any, Origin::SCAN).await.expect("a free port"));
    }
    // Reports list ports by number: the echo server always comes first.
    doors.sort_by_key(|door| std::cmp::Reverse(door.local().port()));
    let (echo_door, http_door) = (doors.pop().expect("two doors"), doors.pop().expect("two doors"));
    let datagram = transport.datagram(Some(any), None, Origin::SCAN).await.expect("a port for the UDP echo server");
    let ports =
        Ports { echo: echo_door.local().port(), udp_echo: datagram.local().port(), http: http_door.local().port() };
    serve(&spawner, echo_door, echo);
    serve(&spawner, http_door, web);
    spawner.spawn(echo_datagrams(datagram)).detach();
    ports
}

/// Accepts until the runtime ends, each connection in a task of its own.
fn serve<F: Future<Output = std::io::Result<()>> + 'static>(
    spawner: &Spawner,
    door: Box<dyn Listener>,
    talk: fn(Box<dyn Stream>) -> F,
) {
    let (connections, door): (Spawner, Rc<dyn Listener>) = (spawner.clone(), door.into());
    spawner
        .spawn(async move {
            while let Ok(stream) = door.accept().await {
                connections.spawn(talk(stream)).detach();
            }
        })
        .detach();
}

async fn echo(mut stream: Box<dyn Stream>) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..read]).await?;
    }
}

async fn echo_datagrams(socket: Box<dyn Datagram>) {
    while let Ok((data, from)) = socket.receive().await {
        if socket.send(&data, Some(from)).await.is_err() {
            return;
        }
    }
}

/// Answers requests one after the other; `HEAD` without a body.
async fn web(mut stream: Box<dyn Stream>) -> std::io::Result<()> {
    const PAGE: &str = "<title>Example</title>";
    let mut received = Vec::new();
    while let Some((is_head, length)) = request(&mut stream, &mut received).await? {
        received.drain(..length);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", PAGE.len());
        let answer = if is_head { head } else { head + PAGE };
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// Reads until one whole request is there: whether it is `HEAD`, and its length. None at the end of the stream.
async fn request(stream: &mut Box<dyn Stream>, received: &mut Vec<u8>) -> std::io::Result<Option<(bool, usize)>> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
            let field = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let body: usize = field.map_or(0, |length| length.trim().parse().expect("a length"));
            if received.len() >= end + 4 + body {
                return Ok(Some((head.starts_with("head "), end + 4 + body)));
            }
        }
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(None);
        }
        received.extend_from_slice(&buffer[..read]);
    }
}
