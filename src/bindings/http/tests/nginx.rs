//! Against a real nginx (Debian package nginx-light) on loopback.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use async_io::Async;

use super::*;

/// An nginx of our own, in one process, with its files in a directory of its own; gone when dropped.
struct Nginx {
    process: Child,
    directory: PathBuf,
    port: u16,
}

impl Nginx {
    fn start(name: &str) -> Nginx {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = std::env::temp_dir().join(format!("sonde-http-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("www")).unwrap();
        fs::write(directory.join("www/index.html"), "<title>hello</title>\n".repeat(40)).unwrap();
        (0..20).for_each(|number| fs::write(directory.join(format!("www/{number}")), number.to_string()).unwrap());
        let temporary = "client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d; \
                         scgi_temp_path e;";
        let config = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr notice; events {{ worker_connections 64; }}
             http {{ {temporary} access_log off; default_type text/html; keepalive_requests 30;
               gzip on; gzip_min_length 10; gzip_types text/html;
               server {{ listen 127.0.0.1:{port}; server_name sonde.test; root www; location /go {{ return 301 /0; }} }} }}"
        );
        fs::write(directory.join("nginx.conf"), config).unwrap();
        let mut process = Command::new("/usr/sbin/nginx")
            .args(["-e", "stderr", "-p"])
            .arg(&directory)
            .args(["-c", "nginx.conf"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("nginx must be installed (Debian package nginx-light)");
        // It says so once it listens; its later notices go to a pipe nobody needs to read.
        let mut said = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("event method") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "nginx did not start");
        }
        process.stderr = Some(said.into_inner());
        Nginx { process, directory, port }
    }

    fn origin(&self) -> Origin {
        Origin::at(false, "sonde.test", SocketAddr::from(([127, 0, 0, 1], self.port)))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Connects plain sockets, and counts them.
#[derive(Default)]
struct Sockets(Rc<Cell<usize>>);

impl Dial for Sockets {
    fn dial(&self, origin: &Origin) -> NetFuture<Box<dyn Stream>> {
        let (addr, name, count) = (origin.socket_addr().unwrap(), origin.to_string(), Rc::clone(&self.0));
        Box::pin(async move {
            count.set(count.get() + 1);
            let stream = Async::<TcpStream>::connect(addr).await;
            let stream = stream.map_err(|error| NetError::from_io(&error, "connect", name))?;
            Ok(Box::new(Socket(stream)) as Box<dyn Stream>)
        })
    }
}

struct Socket(Async<TcpStream>);

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

impl Stream for Socket {
    fn local(&self) -> SocketAddr {
        self.0.get_ref().local_addr().unwrap()
    }

    fn peer(&self) -> SocketAddr {
        self.0.get_ref().peer_addr().unwrap()
    }
}

fn with_nginx<F: Future<Output = ()>>(name: &str, work: impl FnOnce(Client, Origin, Rc<Cell<usize>>) -> F) {
    let nginx = Nginx::start(name);
    let runtime = Runtime::live();
    let sockets = Sockets::default();
    let dials = Rc::clone(&sockets.0);
    let client = Client::new(Rc::new(sockets), runtime.clock(), Random::new(Some(1)), None, Pool::default());
    runtime.run(work(client, nginx.origin(), dials));
}

#[test]
fn one_connection_carries_pages_ranges_heads_and_errors() {
    with_nginx("single", async |client, origin, dials| {
        let options = Options::default();
        let page = client.fetch(&origin, Request::get("/"), &options).await.unwrap();
        assert_eq!((page.status, page.body.len(), page.encoded), (200, 40 * 21, false));
        assert_eq!(page.header("content-encoding").unwrap(), "gzip");
        assert!(page.header("server").unwrap().starts_with("nginx/") && page.truncated.is_none());
        let head = client.fetch(&origin, Request::new("HEAD", "/7"), &options).await.unwrap();
        assert_eq!((head.status, head.body.len(), &*head.header("content-length").unwrap()), (200, 0, "1"));
        let range = Request::get("/13").with_header("Range", "bytes=1-1").with_header("Accept-Encoding", "identity");
        let range = client.fetch(&origin, range, &options).await.unwrap();
        assert_eq!((range.status, &*range.body), (206, b"3".as_slice()));
        let missing = client.fetch(&origin, Request::get("/nope"), &options).await.unwrap();
        assert_eq!((missing.status, &*missing.reason), (404, "Not Found"));
        assert!(missing.body.starts_with(b"<html>"));
        let moved = client.fetch(&origin, Request::get("/go"), &options).await.unwrap();
        assert_eq!((moved.status, &*moved.body, moved.locations.len()), (200, b"0".as_slice(), 1));
        let nonsense = client.fetch(&origin, Request::new("G{}T", "/"), &options).await.unwrap();
        assert_eq!(nonsense.status, 400);
        assert_eq!(dials.get(), 1);
    });
}

#[test]
fn twenty_requests_are_pipelined_and_a_closing_server_gets_the_rest_again() {
    with_nginx("pipeline", async |client, origin, dials| {
        let requests: Vec<Request> = (0..20).map(|number| Request::get(format!("/{number}"))).collect();
        for round in 1..=3 {
            let results = client.pipeline(&origin, &requests, &Options::default()).await;
            let bodies: Vec<String> =
                results.into_iter().map(|result| String::from_utf8_lossy(&result.unwrap().body).into_owned()).collect();
            assert_eq!(bodies, (0..20).map(|number| number.to_string()).collect::<Vec<_>>(), "round {round}");
        }
        assert_eq!(dials.get(), 2, "30 requests a connection, 60 in all");
    });
}

#[test]
fn a_connection_that_went_stale_is_replaced() {
    let nginx = Nginx::start("stale");
    let (runtime, sockets) = (Runtime::live(), Sockets::default());
    let client = Client::new(Rc::new(sockets), runtime.clock(), Random::new(Some(1)), None, Pool::default());
    let origin = nginx.origin();
    runtime.run(async {
        assert_eq!(client.fetch(&origin, Request::get("/1"), &Options::default()).await.unwrap().status, 200);
        drop(nginx);
        let error = client.fetch(&origin, Request::get("/1"), &Options::default()).await.unwrap_err();
        assert_eq!(error.kind, NetErrorKind::Refused);
    });
}
