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

#[test]
fn files_of_an_exchange_are_taken_from_a_file_and_from_standard_input() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let admin = server.first_key.clone().expect("a key");
    let command = |key: &str, arguments: &[&str]| {
        let mut command = bulwark(arguments);
        command.args(["--server", &server.url]).env("BULWARK_KEY", key);
        command
    };
    let call =
        |key: &str, arguments: &[&str]| text(&command(key, arguments).output().expect("runs"));
    let create = ["key", "create", "--environment", "test", "--role", "bank-manager"];
    let said = call(&admin, &create).1;
    let words = said.split(|c: char| c.is_whitespace() || c == '│');
    let curator =
        words.map(str::to_owned).find(|word| word.starts_with("bulwark_")).expect("a key");
    assert_eq!(call(&curator, &["bank", "create", "known", "--legal-basis", "a test"]).0, 0);

    let set = "{\"@odata.context\":\"http://x/2.0.xml/US/$metadata#Media\",\"value\":[{\"MediaID\":1,\"Category\":1,\"MD5\":\"zz\"},\
               {\"MediaID\":2,\"Category\":1,\"MD5\":\"A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1\"},{\"MediaID\":3,\"Category\":9}]}";
    let file = folder.path().join("set.json");
    std::fs::write(&file, set).unwrap();
    let path = file.to_str().unwrap();
    let import = |from: &'static str| {
        ["bank", "import", "known", from, "--format", "vics", "--source", "vic"]
    };
    let (code, said) =
        call(&curator, &["bank", "import", "known", path, "--format", "vics", "--source", "vic"]);
    assert!(code == 1 && said.contains("vics_categories"), "{said}");
    let with_table = [&import("-")[..], &["--category", "US:1=CSAM"]].concat();
    let mut child = command(&curator, &with_table);
    child.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = child.spawn().expect("runs");
    child.stdin.take().expect("piped").write_all(set.as_bytes()).expect("read");
    let (code, said) = text(&child.wait_with_output().expect("ends"));
    assert_eq!(code, 4, "{said}");
    for line in [
        "1 taken, 0 already present, 0 removed before and left out, 1 refused",
        "record 1: MD5 must be exactly 32 hexadecimal digits",
        "not known here, and not matched: category 9, 1 times",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let again = [
        "bank",
        "import",
        "known",
        path,
        "--format",
        "vics",
        "--source",
        "vic",
        "--category",
        "us:1=CSAM",
    ];
    let (code, said) = call(&curator, &again);
    assert!(code == 4 && said.contains("0 taken, 1 already present"), "{said}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn exchanges_partners_and_opinions_are_handled_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let (teller, learner) = (
        Server::start(&folder.path().join("teller")),
        Server::start(&folder.path().join("learner")),
    );
    let call = |server: &Server, key: &str, arguments: &[&str]| {
        let mut command = bulwark(arguments);
        command.args(["--server", &server.url]).env("BULWARK_KEY", key);
        text(&command.output().expect("runs"))
    };
    let key_of = |server: &Server, role: &str| {
        let admin = server.first_key.clone().expect("a key");
        let create = ["key", "create", "--environment", "test", "--role", role];
        let said = call(server, &admin, &create).1;
        let words = said.split(|c: char| c.is_whitespace() || c == '│');
        words.map(str::to_owned).find(|word| word.starts_with("bulwark_")).expect("a key")
    };
    let name_of = |key: &str| {
        key.trim_start_matches("bulwark_").split('.').next().expect("a name").to_owned()
    };
    let (ada, bea) = (key_of(&teller, "bank-manager"), key_of(&teller, "bank-manager"));
    let curator = key_of(&learner, "bank-manager");
    for (server, key, bank) in [(&teller, &ada, "own"), (&learner, &curator, "learned")] {
        let (code, said) = call(server, key, &["bank", "create", bank, "--legal-basis", "a test"]);
        assert_eq!(code, 0, "{said}");
    }
    let partner = key_of(&teller, "exchange-partner");
    let name = name_of(&partner);
    let put = [
        "partner",
        "put",
        "learner",
        "--credential",
        &name,
        "--purpose",
        "a test",
        "--share",
        "own",
    ];
    let (code, said) = call(&teller, &ada, &put);
    assert!(code == 0 && said.contains("not in force yet"), "{said}");
    let (code, said) = call(&teller, &bea, &put);
    assert!(code == 0 && said.contains("is in force"), "{said}");
    let (code, said) = call(&teller, &ada, &["partner", "list"]);
    assert!(code == 0 && said.contains("learner"), "{said}");
    let signs = said.lines().find(|line| line.contains("signs as")).expect("an identity");
    let signs: Vec<&str> = signs.split_whitespace().collect();
    let (origin, public) = (signs[4], signs[signs.len() - 1]);

    let file = folder.path().join("partner.key");
    std::fs::write(&file, &partner).unwrap();
    let file = file.to_str().unwrap();
    let create = [
        "exchange",
        "create",
        "teller",
        "--into",
        "learned",
        "--address",
        &teller.url,
        "--partner-key-file",
        file,
        "--partner",
        "learner",
        "--bank",
        "own",
        "--origin",
        origin,
        "--public-key",
        public,
        "--enters-as",
        "trial",
        "--feedback",
    ];
    let (code, said) = call(&learner, &curator, &create);
    assert_eq!(code, 0, "{said}");
    let list = folder.path().join("list.txt");
    std::fs::write(&list, format!("{}\n", "a".repeat(32))).unwrap();
    let import = ["bank", "import", "own", list.to_str().unwrap(), "--type", "md5"];
    assert_eq!(call(&teller, &ada, &import).0, 0);
    let began = std::time::Instant::now();
    loop {
        // It may have everything already before what was just added is there.
        let (code, said) = call(&learner, &curator, &["exchange", "follow", "teller"]);
        assert!(code == 0 && said.contains("LIVE"), "{said}");
        if said.lines().any(|line| line.contains("taken") && line.contains('1')) {
            break;
        }
        assert!(began.elapsed().as_secs() < 60, "{said}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let (code, said) = call(&learner, &curator, &["exchange", "list"]);
    assert!(code == 0 && said.contains("teller") && !said.contains(&partner), "{said}");
    assert_eq!(call(&learner, &curator, &["exchange", "sync", "teller"]).0, 0);
    assert_eq!(call(&learner, &curator, &["exchange", "disable", "teller"]).0, 0);
    let (code, said) = call(&learner, &curator, &["exchange", "status", "teller"]);
    assert!(code == 0 && said.contains("DISABLED"), "{said}");
    // Nothing will come of it, however long it is watched.
    let (code, said) = call(&learner, &curator, &["exchange", "follow", "teller"]);
    assert!(code == 1 && said.contains("DISABLED"), "{said}");
    assert_eq!(call(&learner, &curator, &["exchange", "enable", "teller"]).0, 0);
    assert_eq!(call(&learner, &curator, &["exchange", "delete", "teller"]).0, 0);
    let (code, said) = call(&teller, &ada, &["partner", "revoke", "learner"]);
    assert!(code == 0 && said.contains("has ended"), "{said}");
    let (code, said) = call(&teller, &ada, &["bank", "quarantine", "own"]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = call(&teller, &ada, &["bank", "opinions", "own", "nonsense"]);
    assert!(code == 1 && said.contains("NOT_FOUND"), "{said}");
    let release = ["bank", "release", "own", "nonsense", "--reason", "r"];
    assert_eq!(call(&teller, &ada, &release).0, 1);
    let opinion = ["bank", "opinion", "own", "nonsense", "--value", "negative", "--disable"];
    assert_eq!(call(&teller, &ada, &opinion).0, 1);
    assert_eq!((teller.stop(), learner.stop()), (0, 0));
}

#[test]
fn sources_over_http_are_made_and_shown_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("secret"), "a-secret-word\n").unwrap();
    std::fs::write(path("list.txt"), format!("{}\n", "5a".repeat(16))).unwrap();
    let inside = format!("exchanges.folder={}", folder.path().display());
    let server = Server::start_with(
        &folder.path().join("data"),
        &["exchanges.hosts=127.0.0.1", inside.as_str()],
    );
    let call = |key: &str, arguments: &[&str]| {
        let mut command = bulwark(arguments);
        command.args(["--server", &server.url]).env("BULWARK_KEY", key);
        text(&command.output().expect("runs"))
    };
    let admin = server.first_key.clone().expect("a key");
    let create = ["key", "create", "--environment", "test", "--role", "bank-manager"];
    let (code, said) = call(&admin, &create);
    assert_eq!(code, 0, "{said}");
    let words = said.split(|c: char| c.is_whitespace() || c == '│');
    let curator =
        words.map(str::to_owned).find(|word| word.starts_with("bulwark_")).expect("a key");
    let bank = ["bank", "create", "learned", "--vetted", "--legal-basis", "a test"];
    assert_eq!(call(&curator, &bank).0, 0);
    // Nobody answers at this address: what is made is shown all the same, without what lets in.
    let (base, secret) = ("http://127.0.0.1:9/base", path("secret"));
    let into = ["--into", "learned", "--base-url", base];
    for (name, own) in [
        ("create-ncmec", vec!["--username", "platform", "--password-file", &secret]),
        ("create-stopncii", vec!["--fetch-key-file", &secret, "--subscription-key-file", &secret]),
        (
            "create-arachnid",
            vec!["--enters-as", "active", "--username", "platform", "--password-file", &secret],
        ),
        ("create-threatexchange", vec!["--privacy-group", "4711", "--access-token-file", &secret]),
    ] {
        let all = [&["exchange", name, name][..], &into, &own].concat();
        let (code, said) = call(&curator, &all);
        assert_eq!(code, 0, "{said}");
        let (code, said) = call(&curator, &["exchange", "list"]);
        assert!(code == 0 && said.contains(name) && !said.contains("a-secret-word"), "{said}");
    }
    let file = ["exchange", "create-file", "list", "--into", "learned", "--url", "file:list.txt"];
    let file = [&file[..], &["--type", "md5", "--enters-as", "active", "--every", "1"]].concat();
    let (code, said) = call(&curator, &file);
    assert_eq!(code, 0, "{said}");
    let (code, said) = call(&curator, &["exchange", "follow", "list"]);
    assert!(code == 0 && said.contains("LIVE"), "{said}");
    let (code, said) = call(&curator, &["exchange", "status", "create-ncmec"]);
    assert!(code == 1 && said.contains("cannot be reached"), "{said}");
    let patience = ["exchange", "follow", "create-ncmec", "--timeout", "2 s"];
    let (code, said) = call(&curator, &patience);
    assert!(code == 1 && said.contains("cannot be reached"), "{said}");
    assert_eq!(server.stop(), 0);
}
