//! A PostgreSQL of its own for tests: started on a free port in a temporary directory, gone with the process.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Where Debian puts the programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// What the server asks for.
pub const PASSWORD: &str = "swordfish";
/// Longest time for the server to come up.
const UP_MAX: Duration = Duration::from_secs(60);

/// A server.
pub struct Cluster {
    folder: tempfile::TempDir,
    /// Whether what it acknowledges is on the disk. Where the machine stays up, as in tests, that only costs time.
    durable: bool,
    pub port: u16,
    server: Mutex<Option<Child>>,
    databases: AtomicU32,
}

/// A program of PostgreSQL's, as a user that it accepts. It ends with the thread that starts it.
fn program(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg("--pdeathsig=QUIT").arg(Path::new(PROGRAMS).join(name));
    command.env("PGPASSWORD", PASSWORD).current_dir("/");
    command
}

fn run(mut command: Command) {
    let output = command.output().expect("scripts/test installs postgresql");
    assert!(output.status.success(), "{command:?}: {output:?}");
}

impl Cluster {
    /// The one that the tests of a process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Whether there is a PostgreSQL on this machine.
    pub fn is_there() -> bool {
        Path::new(PROGRAMS).join("postgres").exists()
    }

    /// Makes a cluster and starts its server.
    pub fn start() -> Self {
        Self::start_in(&std::env::temp_dir(), false)
    }

    /// The same in a directory, with everything on the disk that is acknowledged where `durable` says so.
    pub fn start_in(parent: &Path, durable: bool) -> Self {
        let folder = tempfile::tempdir_in(parent).expect("a directory");
        if rustix::process::geteuid().is_root() {
            run({
                let mut command = Command::new("chown");
                command.arg("postgres:postgres").arg(folder.path());
                command
            });
        }
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).expect("written");
        let mut init = program("initdb");
        init.arg("-D").arg(folder.path().join("data")).arg("--pwfile").arg(&password);
        init.args(["-U", "bulwark", "-A", "scram-sha-256", "-E", "UTF8"]);
        init.args(["--locale=C.UTF-8", "--no-sync"]);
        run(init);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (server, databases) = (Mutex::new(None), AtomicU32::new(0));
        let cluster = Self { folder, durable, port, server, databases };
        cluster.go_on();
        cluster
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the server again after it was stopped, and waits until it takes connections.
    pub fn go_on(&self) {
        let began = Instant::now();
        loop {
            let mut server = self.spawn();
            while server.try_wait().expect("waited for").is_none() {
                if self.is_ready() {
                    *self.server.lock().unwrap() = Some(server);
                    return;
                }
                assert!(began.elapsed() < UP_MAX, "the server does not come up");
                std::thread::sleep(Duration::from_millis(20));
            }
            // Processes of a server that was killed are still there, and this one gave up.
            assert!(began.elapsed() < UP_MAX, "the server does not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn spawn(&self) -> Child {
        let mut command = program("postgres");
        command.arg("-D").arg(self.data()).arg("-p").arg(self.port.to_string());
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        command.args(["-c", "max_connections=200", "-c", "shared_buffers=64MB"]);
        if !self.durable {
            command.args(["-c", "fsync=off"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let (tell, told) = std::sync::mpsc::channel();
        // The server ends with the thread that starts it, which therefore stays until the process ends.
        std::thread::spawn(move || {
            let _ = tell.send(command.spawn().expect("starts"));
            loop {
                std::thread::park();
            }
        });
        told.recv().expect("started")
    }

    fn is_ready(&self) -> bool {
        if TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            return false;
        }
        let mut ask = program("pg_isready");
        ask.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        ask.status().is_ok_and(|status| status.success())
    }

    fn end(&self, signal: rustix::process::Signal) {
        let Some(mut server) = self.server.lock().unwrap().take() else { return };
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&server), signal);
        let _ = server.wait();
    }

    /// Kills the server's first process; the others end when they notice.
    pub fn kill(&self) {
        self.end(rustix::process::Signal::KILL);
    }

    /// Stops the server at once, without an orderly end.
    pub fn stop_at_once(&self) {
        self.end(rustix::process::Signal::QUIT);
    }

    /// Makes a fresh database and gives its name.
    pub fn database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::SeqCst));
        let mut make = program("createdb");
        make.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "bulwark", &name]);
        run(make);
        name
    }

    /// Address of a database.
    pub fn url(&self, database: &str) -> String {
        self.url_by(self.port, database)
    }

    /// Address of a database by way of another port.
    pub fn url_by(&self, port: u16, database: &str) -> String {
        format!("postgres://bulwark:{PASSWORD}@127.0.0.1:{port}/{database}")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop_at_once();
    }
}
