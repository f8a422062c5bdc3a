//! Files of detectors, good and bad.

use super::*;
use crate::core::detector::{Calibration, Content, Kind};
use std::time::Duration;

const EXAMPLE: &str = include_str!("../../../docs/models.toml");

const SMALL: &str = "
[servers.zz]
address = 'http://127.0.0.1:1'

[[detectors]]
name = 'zz-texts'
server = 'zz'
model = 'zz'
kinds = ['DIRECT_MESSAGE']
input = { kind = 'text', tensor = 'text', layout = 'N', bytes_max = 64 }
outputs = [{ tensor = 'share', category = 'zz' }]
";

fn places(text: &str) -> Vec<String> {
    let Err(Mistakes(found)) = read_models("m", text) else { panic!("it has mistakes: {text}") };
    found.into_iter().map(|mistake| mistake.key).collect()
}

fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(SMALL.contains(from), "{from}");
    places(&SMALL.replace(from, to))
}

#[test]
fn the_example_is_a_file_of_detectors() {
    let settings = read_models("docs/models.toml", EXAMPLE).expect("good");
    let kinds: Vec<_> = settings.detectors.iter().map(|one| one.input.kind()).collect();
    assert_eq!(kinds, [Kind::Image, Kind::Frames, Kind::Text, Kind::Embedding]);
    assert!(settings.servers.iter().any(|server| server.host.is_cleared && server.ca.is_some()));
    assert!(settings.servers.iter().any(|server| !server.host.is_cleared));
    assert!(
        matches!(settings.detectors[0].outputs[0].calibration, Calibration::Platt { slope, .. } if slope < 0.0)
    );
    // Every key that there is stands in it, so that it can be copied from.
    for key in [
        "address",
        "cleared",
        "ca",
        "certificate",
        "key",
        "question_bytes_max",
        "answer_bytes_max",
        "name",
        "server",
        "model",
        "version",
        "surfaces",
        "kinds",
        "deadline",
        "batch_max",
        "batch_wait",
        "waiting_max",
        "calls_max",
        "breaker_failures",
        "breaker_pause",
        "breaker_pause_max",
        "kind",
        "tensor",
        "layout",
        "width",
        "height",
        "channels",
        "datatype",
        "scale",
        "mean",
        "std",
        "frames",
        "bytes_max",
        "dimensions",
        "index",
        "category",
        "calibration",
        "slope",
        "offset",
        "points",
    ] {
        assert!(EXAMPLE.contains(&format!("{key} = ")), "{key}");
    }
}

#[test]
fn what_is_not_said_has_its_default() {
    let settings = read_models("m", SMALL).expect("good");
    let [detector] = &settings.detectors[..] else { panic!("one") };
    assert_eq!(detector.input.content, Content::Text(64));
    assert_eq!(
        (detector.deadline, detector.batch.wait),
        (Duration::from_millis(100), Duration::from_millis(5))
    );
    assert_eq!((detector.batch.items_max, detector.batch.waiting_max), (32, 64));
    assert_eq!(detector.outputs[0].calibration, Calibration::None);
    assert!(!settings.servers[0].host.is_cleared);
    assert_eq!(read_models("m", ""), Ok(ModelSettings::default()));
}

#[test]
fn media_goes_to_no_server_that_is_not_marked_as_cleared() {
    let picture = "{ kind = 'image', tensor = 'x', layout = 'NCHW', width = 8, height = 8, channels = 'RGB', datatype = 'UINT8' }";
    let text = "{ kind = 'text', tensor = 'text', layout = 'N', bytes_max = 64 }";
    assert_eq!(changed(text, picture), ["detectors[0].input.kind"]);
    let cleared = SMALL.replace(text, picture).replace("[[d", "cleared = true\n[[d");
    assert!(read_models("m", &cleared).is_ok());
}

#[test]
fn every_mistake_in_a_file_is_named_with_its_place() {
    let found = places(
        "
        typo = 1
        [servers.zz]
        address = 'http://models.example:1'
        cleared = 'perhaps'
        [servers.Zz]
        address = 'http://127.0.0.1:1'
        [[detectors]]
        name = 'Zz'
        server = 'nobody'
        model = 7
        kinds = ['DIRECT_MESAGE']
        deadline = '100'
        batch_wait = 5
        input = { kind = 'text', tensor = 'text', layout = 'NCHW', bytes_max = -1, typo = 1 }
        [[detectors.outputs]]
        tensor = 't'
        datatype = 'FLOAT'
        index = 0.5
        calibration = { kind = 'platt', slope = 'x' }
        ",
    );
    let mut found: Vec<_> = found.iter().map(String::as_str).collect();
    found.sort_unstable();
    let all = [
        "detectors[0].batch_wait",
        "detectors[0].deadline",
        "detectors[0].input.bytes_max",
        "detectors[0].input.layout",
        "detectors[0].input.typo",
        "detectors[0].kinds",
        "detectors[0].model",
        "detectors[0].name",
        "detectors[0].outputs[0].calibration.offset",
        "detectors[0].outputs[0].calibration.slope",
        "detectors[0].outputs[0].category",
        "detectors[0].outputs[0].datatype",
        "detectors[0].outputs[0].index",
        "detectors[0].server",
        "servers.Zz",
        "servers.zz.address",
        "servers.zz.cleared",
        "typo",
    ];
    assert_eq!(found, all);
}

#[test]
fn one_mistake_is_named_once() {
    assert_eq!(changed("model = 'zz'", ""), ["detectors[0].model"]);
    assert_eq!(changed("category = 'zz'", "category = ''"), ["detectors[0].outputs[0].category"]);
    assert_eq!(changed("kinds = ['DIRECT_MESSAGE']", ""), ["detectors[0].surfaces"]);
    assert_eq!(changed("layout = 'N'", "layout = "), ["line 10"]);
    let twice =
        format!("{SMALL}\n[[detectors]]\n{}", SMALL.split("[[detectors]]").nth(1).expect("one"));
    assert_eq!(places(&twice), ["detectors[1]"]);
    let detector = SMALL.split("[[detectors]]").nth(1).expect("one");
    let bad_server = format!("[servers.zz]\naddress = 'nowhere'\n[[detectors]]{detector}");
    assert_eq!(places(&bad_server), ["servers.zz.address"], "a detector on it is not blamed");
}

#[test]
fn a_server_off_this_machine_is_reached_with_tls() {
    let address = "address = 'http://127.0.0.1:1'";
    for bad in ["http://10.0.0.1:1", "127.0.0.1:1", "http://127.0.0.1", "https://a.example:1/x"] {
        assert_eq!(
            changed(address, &format!("address = '{bad}'")),
            ["servers.zz.address"],
            "{bad}"
        );
    }
    let https = "address = 'https://models.example:8001'";
    assert_eq!(changed(address, https), ["servers.zz.ca"]);
    let with_ca = SMALL.replace(address, &format!("{https}\nca = '/ca.pem'"));
    assert!(read_models("m", &with_ca).is_ok());
    let half = with_ca.replace("ca = ", "key = '/key.pem'\nca = ");
    assert_eq!(places(&half), ["servers.zz.certificate"]);
    assert_eq!(changed(address, &format!("{address}\nca = '/ca.pem'")), ["servers.zz.ca"]);
}

#[test]
fn no_mistake_repeats_what_was_written() {
    let text = SMALL.replace("zz", "Swordfish!").replace("64", "'Swordfish!'");
    let Err(mistakes) = read_models("m", &text.replace("[servers.Swordfish!]", "[servers.zz]"))
    else {
        panic!("it has mistakes")
    };
    assert!(!mistakes.to_string().contains("Swordfish"), "{mistakes}");
}
