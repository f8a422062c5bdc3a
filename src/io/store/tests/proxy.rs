//! A line to a server that can be cut after any byte, or go silent without being cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What is passed on, and for how long.
#[derive(Default)]
struct State {
    /// Bytes that are still passed on, either way, before everything is cut; below zero without end.
    left: AtomicI64,
    /// How often it was cut.
    cuts: AtomicI64,
    cut: Notify,
    silent: AtomicBool,
}

/// A line to a server on this machine.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

impl Proxy {
    /// Listens, and passes on to the server's port.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { left: AtomicI64::new(-1), ..State::default() });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(pass(from_client, to_server, Arc::clone(&shared)));
                tokio::spawn(pass(from_server, to_client, Arc::clone(&shared)));
            }
        });
        Self { port, state }
    }

    /// Cuts all connections after so many more bytes; later ones are passed on again.
    pub fn cut_after(&self, bytes: i64) {
        self.state.left.store(bytes, Ordering::SeqCst);
    }

    /// How often it was cut.
    pub fn cuts(&self) -> i64 {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// From now on nothing is passed on, and nothing is closed; or it is again.
    pub fn be_silent(&self, silent: bool) {
        self.state.silent.store(silent, Ordering::SeqCst);
        if !silent {
            self.state.cut.notify_waiters();
        }
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: Arc<State>) {
    let mut bytes = vec![0; 4096];
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read.unwrap_or(0),
            () = state.cut.notified() => return,
        };
        if read == 0 {
            return;
        }
        if state.silent.load(Ordering::SeqCst) {
            state.cut.notified().await;
            return;
        }
        let mut passed = read;
        let limited = state.left.load(Ordering::SeqCst) >= 0;
        if limited {
            let before = state.left.fetch_sub(read as i64, Ordering::SeqCst);
            passed = usize::try_from(before.min(read as i64)).unwrap_or(0);
        }
        if to.write_all(&bytes[..passed]).await.is_err() {
            return;
        }
        if limited && state.left.load(Ordering::SeqCst) <= 0 {
            state.left.store(-1, Ordering::SeqCst);
            state.cuts.fetch_add(1, Ordering::SeqCst);
            state.cut.notify_waiters();
            return;
        }
    }
}
