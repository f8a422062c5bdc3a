//! The real binary as child processes: a server that can be killed, and commands with their exit codes.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A server of its own process.
pub struct Server {
    /// The process.
    pub child: Child,
    /// Its address.
    pub url: String,
    /// The first key, where the directory was empty.
    pub first_key: Option<String>,
}

/// A command of the binary, without settings of the environment's.
pub fn bulwark(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulwark"));
    command.args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BULWARK_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Output {
    bulwark(arguments).output().expect("runs")
}

/// What a command printed and its exit code.
pub fn text(output: &Output) -> (i32, String) {
    let code = output.status.code().expect("ended by itself");
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    (code, String::from_utf8_lossy(&all).into_owned())
}

impl Server {
    /// Starts `bulwark serve` over a directory and waits until it accepts calls.
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same with more settings, each as `name=value`, in which `{port}` stands for the server's port.
    pub fn start_with(folder: &Path, more: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let sets = [
            format!("data_dir={}", folder.display()),
            format!("listen=127.0.0.1:{port}"),
            "metrics_listen=".to_owned(),
            "media.workers=1".to_owned(),
        ];
        let mut command = bulwark(&["serve"]);
        for set in sets.iter().map(String::as_str).chain(more.iter().copied()) {
            command.arg("--set").arg(set.replace("{port}", &port.to_string()));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        for out in [
            Box::new(child.stderr.take().unwrap()) as Box<dyn std::io::Read + Send>,
            Box::new(child.stdout.take().unwrap()),
        ] {
            let tell = tell.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    drop(tell.send(line));
                }
            });
        }
        let until = Instant::now() + Duration::from_secs(60);
        let mut first_key = None;
        let mut lines = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match told.recv_timeout(left) {
                Ok(line) if line.starts_with("bulwark_") => first_key = Some(line),
                Ok(line) if line.contains("serving") => break,
                Ok(line) => lines.push(line),
                Err(_) => panic!("the server does not serve: {lines:?}"),
            }
        }
        Self { child, url: format!("http://127.0.0.1:{port}"), first_key }
    }

    /// A figure by its name in `/proc/PID/status`; those of memory are in KiB.
    pub fn figure(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let digits = line.expect("a figure").trim().trim_end_matches(" kB");
        digits.parse().expect("a number")
    }

    /// Ends it at once, as a power cut would end the process.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Asks it to end and waits for it.
    pub fn stop(mut self) -> i32 {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("asked");
        self.child.wait().expect("ended").code().expect("by itself")
    }
}

impl Drop for Server {
    /// A test that fails leaves no server behind.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
