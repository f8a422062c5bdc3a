//! Callers that break the protocol or misuse it, with a healthy caller beside each.

use crate::house::{House, UNARY, alone, ended, order, unary};
use bulwark::server::Ending;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// POST, http, /, authority "x", content-length 5: with END_STREAM a stream error.
const FALSE_HEADERS: [u8; 10] = [0x83, 0x86, 0x84, 0x01, 0x01, 0x78, 0x0f, 0x0d, 0x01, 0x35];

/// Headers that open a call of `path`, without ending the stream.
fn call_headers(path: &str, more: &[(u8, &str)]) -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x04];
    let text = |block: &mut Vec<u8>, text: &str| {
        let length = u8::try_from(text.len()).expect("short");
        assert!(length < 127, "longer texts need another form");
        block.push(length);
        block.extend(text.as_bytes());
    };
    text(&mut block, path);
    block.extend([0x01, 0x01, b'x']);
    // content-type and others by their number in the static table, as literals.
    for (number, value) in [(31, "application/grpc")].iter().chain(more) {
        block.extend([0x0f, number - 15]);
        text(&mut block, value);
    }
    block
}

const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// The small size of the suite, or the full one.
fn size(small: u32, full: u32) -> u32 {
    if std::env::var_os("BULWARK_LONG").is_some() { full } else { small }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Headers without END_STREAM of a call that is well formed but for its credential.
fn good_headers() -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x84, 0x01, 0x01, 0x78];
    // content-type: application/grpc, as a literal with the static table's name 31.
    block.extend([0x0f, 0x10, 16]);
    block.extend(b"application/grpc");
    block
}

struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    payload: Vec<u8>,
}

impl Raw {
    async fn connect(house: &House) -> Self {
        let mut stream = TcpStream::connect(house.address).await.expect("connected");
        stream.write_all(PREFACE).await.expect("sent");
        stream.write_all(&frame(4, 0, 0, &[])).await.expect("sent");
        Self { stream, buffer: Vec::new() }
    }

    /// The next frame; `None` where the connection is closed.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if self.buffer.len() >= 9 {
                let length = usize::from(self.buffer[0]) << 16
                    | usize::from(self.buffer[1]) << 8
                    | usize::from(self.buffer[2]);
                if self.buffer.len() >= 9 + length {
                    let rest = self.buffer.split_off(9 + length);
                    let whole = std::mem::replace(&mut self.buffer, rest);
                    return Some(Frame {
                        kind: whole[3],
                        flags: whole[4],
                        payload: whole[9..].to_vec(),
                    });
                }
            }
            let mut bytes = [0; 16_384];
            match self.stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.buffer.extend(&bytes[..count]),
            }
        }
    }

    /// Sends until the other side closes, or all is sent.
    async fn flood(&mut self, bytes: &[u8], times: u32) {
        let block: Vec<u8> = bytes.repeat(64);
        for _ in 0..times.div_ceil(64) {
            if self.stream.write_all(&block).await.is_err() {
                return;
            }
        }
    }
}

/// Whether a healthy caller is answered well, for as long as an attack goes on.
async fn healthy(house: &House) {
    let channel = house.channel().await;
    for _ in 0..20 {
        let began = Instant::now();
        unary(&channel, UNARY, order("")).await.expect("a healthy caller is answered");
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "a healthy caller waited {:?}",
            began.elapsed()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_settings_frame_carries_the_limits() {
    let house = House::start(&["limits.streams_per_connection=37"]).await;
    let mut raw = Raw::connect(&house).await;
    let settings = raw.next().await.expect("a frame");
    assert_eq!((settings.kind, settings.flags), (4, 0));
    let values: Vec<(u16, u32)> = settings
        .payload
        .chunks(6)
        .map(|pair| {
            (
                u16::from_be_bytes([pair[0], pair[1]]),
                u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]),
            )
        })
        .collect();
    assert!(values.contains(&(3, 37)), "MAX_CONCURRENT_STREAMS is missing: {values:?}");
    assert!(values.contains(&(6, 16_384)), "MAX_HEADER_LIST_SIZE is missing: {values:?}");
}

#[tokio::test]
async fn one_stream_more_than_allowed_is_refused() {
    let house = House::start(&["limits.streams_per_connection=10"]).await;
    let mut raw = Raw::connect(&house).await;
    // The limit binds once the caller has confirmed it.
    assert_eq!(raw.next().await.expect("a frame").kind, 4);
    raw.stream.write_all(&frame(4, 1, 0, &[])).await.expect("sent");
    let mut bytes = Vec::new();
    for number in 0..11 {
        // A body that never ends holds the stream.
        bytes.extend(frame(1, 4, number * 2 + 1, &call_headers(WATCH, &[])));
    }
    raw.stream.write_all(&bytes).await.expect("sent");
    let refused = timeout(Duration::from_secs(3), async {
        loop {
            let frame = raw.next().await.expect("open");
            if frame.kind == 3 {
                return u32::from_be_bytes(frame.payload.try_into().expect("four bytes"));
            }
        }
    });
    assert_eq!(refused.await.expect("refused in time"), 7, "REFUSED_STREAM");
}

#[tokio::test]
async fn streams_that_are_reset_for_errors_are_bounded() {
    let house = House::start(&[]).await;
    let raw = Raw::connect(&house).await;
    let attack = async {
        let (mut resets, mut number) = (0, 1);
        let count = size(3_000, 20_000);
        let mut bytes = Vec::new();
        for _ in 0..count {
            bytes.extend(frame(1, 5, number, &FALSE_HEADERS));
            number += 2;
        }
        let (mut read, mut write) = raw.stream.into_split();
        let writing = tokio::spawn(async move {
            let _ = write.write_all(&bytes).await;
            write
        });
        let mut buffer = Vec::new();
        let _ = timeout(Duration::from_secs(10), read.read_to_end(&mut buffer)).await;
        let mut rest = buffer.as_slice();
        while rest.len() >= 9 {
            let length =
                usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
            resets += u32::from(rest[3] == 3);
            rest = rest.get(9 + length..).unwrap_or_default();
        }
        writing.abort();
        resets
    };
    let (resets, ()) = tokio::join!(attack, healthy(&house));
    assert!(resets <= 1_100, "{resets} streams were reset");
    ended(&house, Ending::Protocol, 1).await;
}

/// Opens and resets streams, each burst at once or only after its streams were answered.
async fn reset_rapidly(mut raw: Raw, pairs: u32, answered: bool) -> Duration {
    const BURST: u32 = 50;
    let (began, mut next) = (Instant::now(), 0);
    'closed: while next < pairs {
        let numbers = (next..next + BURST).map(|number| number * 2 + 1);
        let opened: Vec<u8> =
            numbers.clone().flat_map(|id| frame(1, 4, id, &good_headers())).collect();
        let reset: Vec<u8> = numbers.flat_map(|id| frame(3, 0, id, &8_u32.to_be_bytes())).collect();
        if raw.stream.write_all(&opened).await.is_err() {
            break;
        }
        let mut missing = if answered { BURST } else { 0 };
        while missing > 0 {
            match raw.next().await {
                Some(frame) if frame.kind == 1 => missing -= 1,
                Some(_) => {}
                None => break 'closed,
            }
        }
        if raw.stream.write_all(&reset).await.is_err() {
            break;
        }
        next += BURST;
    }
    while raw.next().await.is_some() {}
    began.elapsed()
}

#[tokio::test]
async fn rapid_resets_end_the_connection_within_a_second() {
    let house = House::start(&[]).await;
    let connections = size(8, 50);
    let attack = async {
        let mut attackers = tokio::task::JoinSet::new();
        for number in 0..connections {
            let raw = Raw::connect(&house).await;
            // The library may end those whose streams it had not yet accepted; the others only we see.
            attackers.spawn(reset_rapidly(raw, size(2_000, 20_000), number % 2 == 0));
        }
        while let Some(took) = attackers.join_next().await {
            let took = took.expect("no panic");
            assert!(took <= Duration::from_secs(1), "closed only after {took:?}");
        }
    };
    tokio::join!(attack, healthy(&house));
    ended(&house, Ending::RapidReset, u64::from(connections / 2)).await;
    let closed =
        house.metrics.endings(Ending::RapidReset) + house.metrics.endings(Ending::Protocol);
    assert_eq!(closed, u64::from(connections), "all of them were ended");
}

#[tokio::test]
async fn headers_without_end_end_the_connection() {
    let house = House::start(&[]).await;
    let mut raw = Raw::connect(&house).await;
    let attack = async {
        raw.stream.write_all(&frame(1, 0, 1, &FALSE_HEADERS)).await.expect("sent");
        raw.flood(&frame(9, 0, 1, &[0x40, 1, b'a', 1, b'b']), size(10_000, 1_000_000)).await;
        while raw.next().await.is_some() {}
    };
    tokio::join!(attack, healthy(&house));
    let closed =
        house.metrics.endings(Ending::FrameFlood) + house.metrics.endings(Ending::Protocol);
    assert_eq!(closed, 1);
}

#[tokio::test]
async fn floods_of_frames_that_carry_nothing_end_the_connection() {
    let house = House::start(&[]).await;
    let floods = [
        frame(4, 0, 0, &[]),
        frame(6, 0, 0, &[0; 8]),
        frame(2, 0, 1, &[0, 0, 0, 0, 0]),
        frame(8, 0, 0, &1_u32.to_be_bytes()),
    ];
    let attack = async {
        for flood in &floods {
            let (mut read, mut write) = Raw::connect(&house).await.stream.into_split();
            let draining = tokio::spawn(async move {
                let mut sink = vec![0; 65_536];
                while read.read(&mut sink).await.is_ok_and(|count| count > 0) {}
            });
            let block = flood.repeat(1024);
            for _ in 0..size(200, 2_000) {
                if write.write_all(&block).await.is_err() {
                    break;
                }
            }
            timeout(Duration::from_secs(5), draining).await.expect("closed").expect("no panic");
        }
    };
    tokio::join!(attack, healthy(&house));
    let closed =
        house.metrics.endings(Ending::FrameFlood) + house.metrics.endings(Ending::Protocol);
    assert_eq!(closed, u64::try_from(floods.len()).expect("few"));
}

#[tokio::test]
async fn empty_data_frames_end_the_connection() {
    let house = House::start(&[]).await;
    let mut raw = Raw::connect(&house).await;
    let block = call_headers(WATCH, &[]);
    let attack = async {
        raw.stream.write_all(&frame(1, 4, 1, &block)).await.expect("sent");
        raw.flood(&frame(0, 0, 1, &[]), size(10_000, 100_000)).await;
        timeout(Duration::from_secs(5), async { while raw.next().await.is_some() {} })
            .await
            .expect("closed");
    };
    tokio::join!(attack, healthy(&house));
}

#[tokio::test]
async fn slow_sockets_are_closed_and_a_healthy_caller_works_beside_them() {
    let cap = size(50, 2_000);
    let house =
        House::start(&[&format!("limits.connections={cap}"), "limits.first_request=400 ms"]).await;
    let channel = house.channel().await;
    unary(&channel, UNARY, order("")).await.expect("a caller that speaks in time may stay");
    let mut slow = Vec::new();
    for _ in 0..cap * 5 {
        // What comes over the cap is closed at once; what comes under it must send something in time.
        if let Ok(mut stream) = TcpStream::connect(house.address).await {
            let _ = stream.write_all(&PREFACE[..10]).await;
            slow.push(stream);
        }
    }
    for _ in 0..20 {
        unary(&channel, UNARY, order("")).await.expect("a healthy caller is answered");
    }
    ended(&house, Ending::OverLimit, 1).await;
    ended(&house, Ending::Slow, 1).await;
    for mut stream in slow {
        let mut bytes = Vec::new();
        // How it was closed is of no consequence.
        let _ =
            timeout(Duration::from_secs(3), stream.read_to_end(&mut bytes)).await.expect("closed");
    }
    let again = house.channel().await;
    unary(&again, UNARY, order("")).await.expect("there is room again");
}

#[tokio::test]
async fn a_claim_of_a_huge_message_costs_nothing() {
    let house = House::start(&[]).await;
    let mut raw = Raw::connect(&house).await;
    let block = call_headers(WATCH, &[]);
    raw.stream.write_all(&frame(1, 4, 1, &block)).await.expect("sent");
    raw.stream.write_all(&frame(0, 0, 1, &[0, 0xff, 0xff, 0xff, 0xff])).await.expect("sent");
    let status = timeout(Duration::from_secs(2), async {
        loop {
            let frame = raw.next().await.expect("open");
            if frame.kind == 1 {
                return frame;
            }
        }
    });
    let headers = status.await.expect("refused in time");
    assert_eq!(headers.flags & 1, 1, "the answer is the refusal and nothing else");
}

#[tokio::test]
async fn an_answer_that_is_never_taken_does_not_hold_a_place_for_ever() {
    let house = House::start(&[]).await;
    let mut raw = Raw::connect(&house).await;
    // A window of zero: the server may send headers and no answer.
    raw.stream.write_all(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])).await.expect("sent");
    let mut block = call_headers("/grpc.health.v1.Health/Check", &[]);
    block.extend([0x00, 12]);
    block.extend(b"grpc-timeout");
    block.extend([4]);
    block.extend(b"100m");
    raw.stream.write_all(&frame(1, 4, 1, &block)).await.expect("sent");
    raw.stream.write_all(&frame(0, 1, 1, &[0; 5])).await.expect("sent");
    timeout(Duration::from_secs(5), async { while raw.next().await.is_some() {} })
        .await
        .expect("closed");
    ended(&house, Ending::Stalled, 1).await;
}

#[tokio::test]
async fn a_caller_that_gives_up_many_calls_is_served_on() {
    let house = House::start(&[]).await;
    let channel = house.channel().await;
    for round in 0..size(100, 10_000) {
        let call = unary(&channel, UNARY, order("sleep 5000"));
        let given_up = timeout(Duration::from_millis(6), call).await;
        assert!(given_up.is_err(), "round {round}: {given_up:?}");
    }
    unary(&channel, UNARY, order("")).await.expect("answered");
    assert_eq!(house.metrics.endings(Ending::RapidReset), 0);
    let text = house.metrics.text(0);
    assert!(text.contains("bulwark_calls_in_flight 0"), "what was given up is not held: {text}");
}

#[tokio::test]
async fn a_process_without_descriptors_recovers() {
    alone("abuse::few_descriptors").await;
}

#[tokio::test]
#[ignore = "limits its whole process: run by a_process_without_descriptors_recovers"]
async fn few_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let house = House::start(&["limits.connections=100000", "limits.first_request=60 s"]).await;
    let channel = house.channel().await;
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum }).expect("limited");
    let mut held = Vec::new();
    // Both ends are in this process, so that it is out of descriptors in the middle of accepting.
    while let Ok(Ok(stream)) =
        timeout(Duration::from_millis(200), TcpStream::connect(house.address)).await
    {
        held.push(stream);
    }
    assert!(held.len() > 50, "only {} connections were made", held.len());
    tokio::time::sleep(Duration::from_millis(200)).await;
    unary(&channel, UNARY, order("")).await.expect("those who are in are served");
    held.clear();
    let again = timeout(Duration::from_secs(5), house.channel()).await.expect("accepted again");
    unary(&again, UNARY, order("")).await.expect("answered");
}

#[tokio::test]
async fn a_caller_that_answers_no_ping_is_let_go() {
    let house =
        House::start(&["limits.keepalive_interval=200 ms", "limits.keepalive_timeout=200 ms"])
            .await;
    let mut raw = Raw::connect(&house).await;
    raw.stream.write_all(&frame(1, 4, 1, &call_headers(WATCH, &[]))).await.expect("sent");
    timeout(Duration::from_secs(3), async { while raw.next().await.is_some() {} })
        .await
        .expect("closed");
}

/// How long calls that take 40 ms were answered or refused after, sorted: so many callers for a second, each with the next
/// call as soon as it has an answer, and after a pause where it was refused.
async fn pressed(house: &House, callers: usize) -> (Vec<Duration>, Vec<Duration>) {
    let (mut all, until) = (tokio::task::JoinSet::new(), Instant::now() + Duration::from_secs(1));
    for _ in 0..callers {
        let channel = house.channel().await;
        all.spawn(async move {
            let (mut answered, mut refused) = (Vec::new(), Vec::new());
            while Instant::now() < until {
                let began = Instant::now();
                match unary(&channel, UNARY, order("sleep 40")).await {
                    Ok(_) => answered.push(began.elapsed()),
                    Err(status) => {
                        assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
                        refused.push(began.elapsed());
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            }
            (answered, refused)
        });
    }
    let (mut answered, mut refused) = (Vec::new(), Vec::new());
    while let Some(done) = all.join_next().await {
        let (good, bad) = done.expect("no panic");
        answered.extend(good);
        refused.extend(bad);
    }
    answered.sort();
    refused.sort();
    (answered, refused)
}

#[tokio::test]
async fn at_four_times_the_capacity_what_is_let_in_is_as_fast_as_ever() {
    let house = House::start(&["limits.in_flight_calls=16"]).await;
    let median = |times: &[Duration]| times[times.len() / 2];
    // Other tests share the processors, so that both are compared with what it takes at half of the capacity. A queue would
    // show in the median of every go, what others do will not.
    let mut slow = String::new();
    for _ in 0..5 {
        let (usual, none) = pressed(&house, 8).await;
        assert_eq!(none.len(), 0, "all are let in");
        let (answered, refused) = pressed(&house, 64).await;
        assert!(refused.len() > 100, "only {} calls were refused", refused.len());
        // Of twice as many places little more than half is lost to refusals' pauses.
        let are_many = answered.len() > usual.len();
        let (usual, answered, refused) = (median(&usual), median(&answered), median(&refused));
        if are_many && answered < usual * 2 && refused < usual / 2 {
            return;
        }
        slow += &format!("{are_many}: {answered:?}, refusals {refused:?}, usually {usual:?}; ");
    }
    panic!("answers took {slow}");
}
