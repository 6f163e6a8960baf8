//! Runs one command on a server: the protocol is `sunset`, the stream is ours.
//!
//! The crate draws its secrets from the operating system, not from the run's seed. That is as it should be where they
//! protect a login, and it means that these sessions differ from run to run.

use std::fmt;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use sunset::{ChanData, ChanHandle, CliEvent, CliSessionExit, Client, Event, Runner, sshwire};

use super::connection::OP;
use super::hostkey::HostKey;
use super::private_key::PrivateKey;
use crate::model::{NetError, NetErrorKind};
use crate::net::Stream;

/// Bytes of output, of both kinds together.
pub const MAX_OUTPUT: usize = 1 << 20;
/// Bytes of a user's name, as the crate has it.
pub const MAX_USER: usize = sunset::config::MAX_USERNAME;
/// Bytes of a command or a password; both must fit a packet.
pub const MAX_TEXT: usize = 16 << 10;
/// Turns without any progress after which a session counts as stuck.
const MAX_IDLE_TURNS: usize = 100;

/// Who logs in.
pub struct Login {
    /// The user's name.
    pub user: String,
    /// What proves it.
    pub proof: Proof,
}

/// What proves that the user is who they say.
pub enum Proof {
    /// A password.
    Password(String),
    /// A key.
    Key(Box<PrivateKey>),
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finished {
    /// Its output.
    pub stdout: Vec<u8>,
    /// Its messages.
    pub stderr: Vec<u8>,
    /// Its exit status; none when a signal ended it or the server does not tell.
    pub status: Option<u32>,
    /// The name of the signal that ended it.
    pub signal: Option<String>,
    /// The host key with which the server proved who it is.
    pub host_key: Option<HostKey>,
}

/// Why a command has not run.
#[derive(Debug)]
pub enum ExecError {
    /// The server does not let this user in with this proof.
    Refused(String),
    /// The command says more than [`MAX_OUTPUT`].
    TooLong(String),
    /// All else.
    Net(NetError),
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecError::Refused(message) | ExecError::TooLong(message) => f.write_str(message),
            ExecError::Net(error) => error.fmt(f),
        }
    }
}

impl From<NetError> for ExecError {
    fn from(error: NetError) -> ExecError {
        ExecError::Net(error)
    }
}

/// Logs in over `stream` and runs `command`. Takes as long as the command does: put a deadline around it.
///
/// # Errors
/// `Refused` when the server does not let the user in, `TooLong` when the command says too much. Of a [`NetError`]:
/// `Protocol` when server and client have no algorithm in common, when the server breaks the protocol or cannot prove its
/// host key; `Closed` when the server hangs up before the command has ended.
pub async fn exec(mut stream: Box<dyn Stream>, login: Login, command: &str) -> Result<Finished, ExecError> {
    let peer = stream.peer();
    let io = |error: &std::io::Error| NetError::from_io(error, OP, peer);
    let mut session = Box::new(Session::new(login, command));
    let mut buffer = vec![0; 16 << 10];
    let (mut unread, mut idle) = (0..0, 0);
    while idle < MAX_IDLE_TURNS {
        session.advance().and_then(|()| session.read_channel()).map_err(|failure| session.explain(failure, peer))?;
        let mut is_idle = true;
        while session.runner.is_output_pending() {
            let written = stream.write(session.runner.output_buf()).await.map_err(|error| io(&error))?;
            session.runner.consume_output(written);
            is_idle = false;
        }
        stream.flush().await.map_err(|error| io(&error))?;
        if session.is_over {
            return session.finish(peer);
        }
        if session.runner.is_input_ready() {
            if unread.is_empty() {
                let count = stream.read(&mut buffer).await.map_err(|error| io(&error))?;
                unread = 0..count;
                if count == 0 {
                    session.runner.close_input();
                }
                // A peer that never stops must not keep a deadline from being looked at.
                futures_lite::future::yield_now().await;
            }
            let taken = if unread.is_empty() { Ok(0) } else { session.runner.input(&buffer[unread.clone()]) };
            unread.start += taken.map_err(|error| session.explain(error.into(), peer))?;
            is_idle = false;
        }
        idle = if is_idle { idle + 1 } else { 0 };
    }
    Err(NetError::new(NetErrorKind::Protocol, OP, peer).because("the session makes no progress").into())
}

/// A session and what is known of it so far.
struct Session {
    runner: Runner<'static, Client>,
    user: String,
    password: Option<String>,
    key: Option<Box<PrivateKey>>,
    command: String,
    channel: Option<ChanHandle>,
    found: Finished,
    is_let_in: bool,
    is_over: bool,
}

/// What ends a session early.
enum Failure {
    /// The proof was not accepted.
    Refused,
    /// Too much output.
    TooLong,
    /// The crate gives up.
    Protocol(sunset::Error),
}

impl From<sunset::Error> for Failure {
    fn from(error: sunset::Error) -> Failure {
        match error {
            sunset::Error::NoAuthMethods => Failure::Refused,
            other => Failure::Protocol(other),
        }
    }
}

impl Session {
    fn new(login: Login, command: &str) -> Session {
        let (password, key) = match login.proof {
            Proof::Password(password) => (Some(password), None),
            Proof::Key(key) => (None, Some(key)),
        };
        Session {
            runner: Runner::new_client_owned(),
            user: login.user,
            password,
            key,
            command: command.to_owned(),
            channel: None,
            found: Finished::default(),
            is_let_in: false,
            is_over: false,
        }
    }

    /// Answers what the protocol asks until it asks nothing more.
    fn advance(&mut self) -> Result<(), Failure> {
        loop {
            match self.runner.progress()? {
                Event::None => break,
                Event::Progressed | Event::Serv(_) | Event::Cli(CliEvent::Banner(_) | CliEvent::PollAgain) => {}
                Event::Cli(CliEvent::Hostkey(check)) => {
                    let mut blob = [0; 4096];
                    let length = sshwire::write_ssh(&mut blob, &check.hostkey()?)?;
                    self.found.host_key = HostKey::parse(&blob[..length]).ok();
                    check.accept()?;
                }
                Event::Cli(CliEvent::Username(ask)) => ask.username(&self.user)?,
                Event::Cli(CliEvent::Password(ask)) => ask.password(self.password.take().ok_or(Failure::Refused)?)?,
                Event::Cli(CliEvent::Pubkey(ask)) => match self.key.take() {
                    Some(key) => ask.pubkey(key.0)?,
                    None if self.password.is_some() => ask.skip()?,
                    None => return Err(Failure::Refused),
                },
                Event::Cli(CliEvent::AgentSign(ask)) => ask.skip()?,
                Event::Cli(CliEvent::Authenticated) => self.is_let_in = true,
                Event::Cli(CliEvent::SessionOpened(mut opener)) => opener.exec(&self.command)?,
                Event::Cli(CliEvent::SessionExit(CliSessionExit::Status(status))) => self.found.status = Some(status),
                Event::Cli(CliEvent::SessionExit(CliSessionExit::Signal(end))) => {
                    self.found.signal = Some(end.signal.to_owned());
                }
                Event::Cli(CliEvent::Defunct) => {
                    self.is_over = true;
                    return Ok(());
                }
            }
            if self.is_let_in && self.channel.is_none() {
                self.channel = Some(self.runner.open_client_session()?);
            }
        }
        self.is_over |= self.channel.as_ref().is_some_and(|channel| self.runner.is_channel_closed(channel));
        Ok(())
    }

    /// Takes what the command said.
    fn read_channel(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 4096];
        while let Some(channel) = &self.channel
            && let Some((_, kind, _)) = self.runner.read_channel_ready()
        {
            let count = self.runner.read_channel(channel, kind, &mut buffer)?;
            let target = if kind == ChanData::Stderr { &mut self.found.stderr } else { &mut self.found.stdout };
            target.extend_from_slice(&buffer[..count]);
            if self.found.stdout.len() + self.found.stderr.len() > MAX_OUTPUT {
                return Err(Failure::TooLong);
            }
        }
        Ok(())
    }

    fn finish(self, peer: impl fmt::Display) -> Result<Finished, ExecError> {
        let is_ended = self.found.status.is_some()
            || self.found.signal.is_some()
            || self.channel.as_ref().is_some_and(|channel| self.runner.is_channel_eof(channel));
        if self.is_let_in && is_ended {
            return Ok(self.found);
        }
        Err(NetError::new(NetErrorKind::Closed, OP, peer)
            .because("the server hangs up before the command has ended")
            .into())
    }

    fn explain(&self, failure: Failure, peer: impl fmt::Display) -> ExecError {
        let error = NetError::new(NetErrorKind::Protocol, OP, &peer);
        match failure {
            Failure::Refused => {
                ExecError::Refused(format!("{OP} {peer}: the server does not let {} in with this proof", self.user))
            }
            Failure::TooLong => {
                ExecError::TooLong(format!("{OP} {peer}: the command says more than {MAX_OUTPUT} bytes"))
            }
            Failure::Protocol(cause) => error.because(cause).into(),
        }
    }
}
