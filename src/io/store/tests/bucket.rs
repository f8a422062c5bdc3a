//! A service on loopback that speaks as much of S3 as is asked of it, and lies as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How it answers whoever asks for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Honest,
    /// Not at all.
    Silent,
    /// A byte at a time.
    Dripping,
    /// It says the right length and ends in the middle.
    Torn,
    /// More than the list says.
    Longer,
    /// Less than the list says.
    Shorter,
    /// Bytes without end, of whatever is asked for.
    Endless,
    /// It refuses, at great length.
    Refusing,
    /// It sends whoever asks to itself, again and again.
    Circling,
    /// What it says is no list, and no object.
    Babbling,
}

/// Bytes that were sent without end, before the other side had enough.
type Sent = Arc<Mutex<u64>>;

/// The service.
pub struct Bucket {
    pub port: u16,
    pub objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    pub manner: Arc<Mutex<Manner>>,
    pub sent: Sent,
    /// Heads of all requests.
    pub heads: Arc<Mutex<Vec<String>>>,
}

impl Bucket {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let bucket = Self {
            port,
            objects: Arc::default(),
            manner: Arc::new(Mutex::new(Manner::Honest)),
            sent: Arc::default(),
            heads: Arc::default(),
        };
        let parts = (
            Arc::clone(&bucket.objects),
            Arc::clone(&bucket.manner),
            Arc::clone(&bucket.sent),
            Arc::clone(&bucket.heads),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (objects, manner, sent, heads) = parts.clone();
                std::thread::spawn(move || {
                    let manner = *manner.lock().unwrap();
                    // Whoever has enough closes the connection.
                    let _ = answer(stream, &objects, manner, &sent, &heads);
                });
            }
        });
        bucket
    }

    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        self.objects.lock().unwrap().insert(name.to_owned(), bytes);
    }

    pub fn is(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }
}

fn head(stream: &mut TcpStream, status: &str, length: usize, more: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\netag: \"x\"\r\nconnection: close\r\n\
         last-modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n{more}\r\n"
    )
}

fn list(objects: &BTreeMap<String, Vec<u8>>) -> String {
    let entries: String = objects
        .iter()
        .map(|(name, bytes)| {
            format!(
                "<Contents><Key>p/{name}</Key><Size>{}</Size><ETag>x</ETag>\
                 <LastModified>2023-11-14T22:13:20.000Z</LastModified></Contents>",
                bytes.len()
            )
        })
        .collect();
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>")
}

fn without_end(stream: &mut TcpStream, sent: &Sent) -> std::io::Result<()> {
    let piece = vec![b'x'; 1 << 16];
    loop {
        stream.write_all(&piece)?;
        *sent.lock().unwrap() += piece.len() as u64;
    }
}

fn answer(
    mut stream: TcpStream,
    objects: &Mutex<BTreeMap<String, Vec<u8>>>,
    manner: Manner,
    sent: &Sent,
    heads: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = Vec::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = bytes.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let asked = lines.first().cloned().unwrap_or_default();
    heads.lock().unwrap().push(lines.concat());
    let mut words = asked.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let is_list = method == "GET" && target.contains("list-type=2");
    match manner {
        Manner::Silent => {
            std::thread::sleep(Duration::from_secs(30));
            return Ok(());
        }
        Manner::Refusing => {
            head(&mut stream, "403 Forbidden", 1 << 40, "")?;
            return without_end(&mut stream, sent);
        }
        Manner::Circling => {
            return head(
                &mut stream,
                "307 Temporary Redirect",
                0,
                &format!("location: {target}\r\n"),
            );
        }
        Manner::Babbling => {
            let said = "<ListBucketResult><Contents>\u{1b}[31mswordfish";
            head(&mut stream, "200 OK", said.len(), "")?;
            return stream.write_all(said.as_bytes());
        }
        Manner::Endless if is_list => {
            head(&mut stream, "200 OK", 1 << 40, "")?;
            return without_end(&mut stream, sent);
        }
        _ => {}
    }
    if is_list {
        let said = list(&objects.lock().unwrap());
        head(&mut stream, "200 OK", said.len(), "")?;
        return stream.write_all(said.as_bytes());
    }
    let name = target.rsplit('/').next().unwrap_or("");
    let Some(bytes) = objects.lock().unwrap().get(name).cloned() else {
        return head(&mut stream, "404 Not Found", 0, "");
    };
    // Whoever was cut off asks for the rest.
    let range = lines.iter().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("range: bytes=").map(ToOwned::to_owned)
    });
    let from = range.and_then(|range| range.split('-').next()?.parse::<usize>().ok());
    let (status, more) = match from {
        Some(from) => (
            "206 Partial Content",
            format!("content-range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len()),
        ),
        None => ("200 OK", String::new()),
    };
    let bytes = &bytes[from.unwrap_or(0).min(bytes.len())..];
    match manner {
        Manner::Endless => {
            head(&mut stream, status, bytes.len(), &more)?;
            without_end(&mut stream, sent)
        }
        Manner::Torn => {
            head(&mut stream, status, bytes.len(), &more)?;
            stream.write_all(&bytes[..bytes.len() / 2])
        }
        Manner::Longer => {
            head(&mut stream, status, bytes.len() + 1, &more)?;
            stream.write_all(&[bytes, b"x"].concat())
        }
        Manner::Shorter => {
            head(&mut stream, status, bytes.len() - 1, &more)?;
            stream.write_all(&bytes[1..])
        }
        Manner::Dripping => {
            head(&mut stream, status, bytes.len(), &more)?;
            for byte in bytes {
                stream.write_all(&[*byte])?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        _ => {
            head(&mut stream, status, bytes.len(), &more)?;
            stream.write_all(bytes)
        }
    }
}
