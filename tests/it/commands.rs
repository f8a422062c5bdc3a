//! The command line against a running server, as a person uses it.

use crate::binary::{Server, bulwark, run, text};
use crate::service::{encoded, picture, png};
use image::ImageFormat;

#[test]
fn the_demo_gives_the_answers_it_promises() {
    let (code, said) = text(&run(&["demo"]));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("16 of 16"), "{said}");
}

#[test]
fn a_directory_is_made_once_and_a_wrong_setting_ends_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let set = format!("data_dir={}", folder.path().join("data").display());
    let init = ["init", "--set", &set];
    let (code, said) = text(&run(&init));
    assert!(code == 0 && said.contains("bulwark_"), "{said}");
    assert_eq!(text(&run(&init)).0, 1);
    let (code, said) = text(&run(&["init", "--another-key", "--set", &set]));
    assert!(code == 0 && said.contains("bulwark_"), "{said}");
    assert_eq!(text(&run(&["migrate", "--set", &set])).0, 0);
    let (code, said) = text(&run(&["verify", "--json", "--set", &set]));
    assert!(code == 0 && said.contains("\"good\":true"), "{said}");
    assert_eq!(text(&run(&["config", "check", "--set", &set])).0, 0);
    let (code, said) = text(&run(&["config", "check", "--set", "limits.conections=5"]));
    assert!(code == 78 && said.contains("limits.conections"), "{said}");
    std::fs::remove_file(folder.path().join("data/keys.json")).unwrap();
    let (code, said) = text(&run(&["serve", "--set", &set]));
    assert!(code == 1 && said.contains("backup"), "sealed data are not started anew: {said}");
}

#[test]
fn keys_banks_and_files_are_handled_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let admin = server.first_key.clone().expect("a key");
    let call = |key: &str, arguments: &[&str]| {
        let mut command = bulwark(arguments);
        command.args(["--server", &server.url]).env("BULWARK_KEY", key);
        text(&command.output().expect("runs"))
    };
    let key_in = |said: &str| {
        let words = said.split(|c: char| c.is_whitespace() || c == '│');
        words.map(str::to_owned).find(|word| word.starts_with("bulwark_")).expect("a key")
    };
    let create = ["key", "create", "--environment", "test", "--role"];
    let (code, said) = call(&admin, &[&create[..], &["screener"]].concat());
    assert_eq!(code, 0, "{said}");
    let screener = key_in(&said);
    let curator = key_in(&call(&admin, &[&create[..], &["bank-manager"]].concat()).1);
    let (code, said) = call(&admin, &["key", "list"]);
    assert!(code == 0 && said.contains("SCREENER"), "{said}");

    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    std::fs::write(pictures.join("one.png"), png(1)).unwrap();
    let path = pictures.to_str().unwrap();
    let (code, said) = call(&screener, &["hash", path, "--json"]);
    assert_eq!(code, 0, "{said}");
    let digits: Vec<&str> = said
        .split('"')
        .filter(|word| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit()))
        .collect();
    assert!(digits.len() >= 2, "a SHA-256 and a PDQ: {said}");

    let (code, said) =
        call(&curator, &["bank", "create", "known", "--vetted", "--legal-basis", "a test"]);
    assert_eq!(code, 0, "{said}");
    let md5 = hex::encode(<md5::Md5 as md5::Digest>::digest(png(1)));
    let list = folder.path().join("list.txt");
    std::fs::write(&list, format!("# a list\n{md5}\nnonsense\n")).unwrap();
    let import = ["bank", "import", "known", list.to_str().unwrap(), "--type", "md5"];
    let (code, said) = call(&curator, &import);
    assert!(code == 4 && said.contains('3'), "line 3 is named: {said}");
    let (code, said) = call(&curator, &["bank", "show", "known"]);
    assert!(code == 0 && said.to_lowercase().contains("md5"), "{said}");
    assert!(call(&curator, &["bank", "list"]).1.contains("known"));

    // Digests alone clear no picture: the bank needs hashes of pictures too.
    std::fs::write(&list, format!("{}\n", "5a".repeat(32))).unwrap();
    let import = ["bank", "import", "known", list.to_str().unwrap(), "--type", "pdq"];
    assert_eq!(call(&curator, &import).0, 0);
    let (code, said) = call(&screener, &["screen", path]);
    assert!(code == 3 && said.contains("BLOCK"), "{said}");
    std::fs::write(pictures.join("one.png"), encoded(&picture(2), ImageFormat::Png)).unwrap();
    let (code, said) = call(&screener, &["screen", path, "--json"]);
    assert!(code == 0 && said.contains("ALLOW"), "{said}");
    std::fs::write(pictures.join("two.txt"), "words").unwrap();
    assert_eq!(call(&screener, &["screen", path]).0, 3, "what cannot be examined is held");
    let (code, said) = call(&screener, &["bank", "list"]);
    assert!(code == 1 && said.contains("ROLE_MISSING"), "{said}");

    // What cannot even be sent is told apart from what was examined and held.
    std::fs::remove_file(pictures.join("two.txt")).unwrap();
    std::fs::write(pictures.join("empty.png"), "").unwrap();
    let (code, said) = call(&screener, &["screen", path]);
    assert!(code != 0 && said.contains("empty.png"), "{said}");
    let (code, said) = call(&screener, &["screen", "/nonexistent/folder"]);
    assert!(code != 0 && code != 3, "nothing was screened: {code} {said}");

    let id = screener.trim_start_matches("bulwark_").split('.').next().expect("a name");
    let (code, said) = call(&admin, &["key", "revoke", id]);
    assert!(code == 0 && said.contains("is revoked"), "{said}");
    let (code, said) = call(&screener, &["screen", path]);
    assert!(code == 4 && said.contains("CREDENTIAL_INVALID"), "nothing was examined: {said}");
    let (code, said) = call("", &["bank", "list"]);
    assert!(code != 0 && !said.is_empty(), "{said}");
    for secret in [&admin, &screener, &curator] {
        assert!(!said.contains(secret.as_str()), "a key was printed");
    }
    assert_eq!(server.stop(), 0);
}
