//! Shows the main job to a newcomer, against a running server and only through its contract.

use super::client::{Client, request_id};
use super::fault::Failure;
use super::{draw, explain, words};
use crate::config::Secret;
use crate::config::value::Value as _;
use crate::proto::v1::{
    AddEntryRequest, ApiKey, Bank, BankMode, BankRole, Context, CreateBankRequest,
    CreateCredentialRequest, Credential, Disposition, Environment, Finding, RemoveEntryRequest,
    Role, ScreenMediaRequest, SurfaceKind, Verdict, Visibility, add_entry_request, credential,
    finding,
};
use image::imageops::{self, FilterType};
use std::io::Write;
use std::time::{Duration, Instant};

/// Time for one call of the demo with its repetitions.
const CALL_TIME_MAX: Duration = Duration::from_secs(30);
/// Bank that the demo makes.
const BANK: &str = "demo-pictures";
/// Tenant that the demo belongs to: the operator's own.
const TENANT: &str = "operator";

/// What must come back for a row to be right, written down before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Allowed, with everything checked and nothing found.
    Allowed,
    /// Blocked, because the bank has these very bytes.
    Blocked,
    /// Held or blocked, because the bank has a picture like it.
    Matched,
    /// Held without a finding, because something was not checked.
    HeldUnchecked,
}

impl Expected {
    const fn told(self) -> &'static str {
        match self {
            Self::Allowed => "ALLOW",
            Self::Blocked => "BLOCK",
            Self::Matched => "BLOCK or HOLD, by a match",
            Self::HeldUnchecked => "HOLD, not checked",
        }
    }

    /// Whether the verdict is what was expected. A HOLD for want of a check is no match, and the other way round.
    fn met_by(self, verdict: &Verdict) -> bool {
        let disposition = words::disposition(verdict.disposition);
        let matched = verdict.findings.iter().any(is_of_the_bank);
        let whole = verdict.incomplete.is_none();
        match self {
            Self::Allowed => {
                disposition == Disposition::Allow && verdict.findings.is_empty() && whole
            }
            Self::Blocked => disposition == Disposition::Block && matched,
            Self::Matched => {
                matches!(disposition, Disposition::Hold | Disposition::Block) && matched
            }
            Self::HeldUnchecked => {
                disposition == Disposition::Hold && verdict.findings.is_empty() && !whole
            }
        }
    }
}

fn is_of_the_bank(finding: &Finding) -> bool {
    matches!(&finding.kind, Some(finding::Kind::Match(found)) if found.bank_id == BANK)
}

/// Something that is sent, and what must come back.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    expected: Expected,
}

fn case(name: &'static str, bytes: Vec<u8>, expected: Expected) -> Case {
    Case { name, bytes, expected }
}

/// The banked picture as it was banked.
fn original() -> Vec<u8> {
    draw::jpeg(&draw::picture(1), 92)
}

/// A picture that is banked only later.
fn later() -> Vec<u8> {
    draw::jpeg(&draw::picture(2), 92)
}

/// What is sent once the first picture is banked.
fn cases() -> Vec<Case> {
    use Expected::{Allowed, Blocked, HeldUnchecked, Matched};
    let picture = draw::picture(1);
    let small = imageops::resize(&picture, 400, 300, FilterType::Lanczos3);
    let turned = imageops::rotate90(&picture);
    let mut truncated = original();
    truncated.truncate(truncated.len() / 3);
    vec![
        case("the banked picture", original(), Blocked),
        case("… saved again as JPEG of quality 60", draw::jpeg(&picture, 60), Matched),
        case("… as PNG", draw::png(&picture), Matched),
        case("… as GIF of 256 colours", draw::gif(&picture), Matched),
        case("… made smaller, 400 × 300", draw::jpeg(&small, 85), Matched),
        case("… turned by 90°", draw::jpeg(&turned, 85), Matched),
        case("… mirrored", draw::jpeg(&imageops::flip_horizontal(&picture), 85), Matched),
        case(
            "… with black bars above and below",
            draw::jpeg(&draw::letterboxed(&picture), 85),
            Matched,
        ),
        case(
            "… stored turned, upright by its EXIF",
            draw::with_orientation(&draw::jpeg(&turned, 85), 8),
            Matched,
        ),
        case("another picture", later(), Allowed),
        case("a third picture, as PNG", draw::png(&draw::picture(3)), Allowed),
        case("the banked picture, cut off", truncated, HeldUnchecked),
        case("a text that calls itself JPEG", b"just a few plain words\n".to_vec(), HeldUnchecked),
    ]
}

/// One row of the table.
struct Row {
    name: String,
    expected: Expected,
    verdict: Verdict,
    took: Duration,
}

/// The demo's two callers: one curates banks and sees detail, one screens.
struct Stage {
    curator: Client,
    screener: Client,
    rows: Vec<Row>,
}

impl Stage {
    async fn screen(&mut self, case: &Case) -> Result<(), Failure> {
        let message = ScreenMediaRequest {
            context: Some(Context {
                surface: SurfaceKind::Upload.into(),
                visibility: Visibility::Public.into(),
                item_id: format!("demo-{}", self.rows.len() + 1),
                request_id: request_id(),
                ..Context::default()
            }),
            content: case.bytes.clone().into(),
            declared_media_type: "image/jpeg".into(),
            scores: Vec::new(),
        };
        let start = Instant::now();
        let sent = self.screener.ask(message, |request| {
            let mut screening = self.screener.screening();
            async move { screening.screen_media(request).await }
        });
        let verdict =
            sent.await?.verdict.ok_or_else(|| Failure::new("an answer without a verdict"))?;
        let took = start.elapsed();
        self.rows.push(Row { name: case.name.into(), expected: case.expected, verdict, took });
        Ok(())
    }

    async fn add(&self, entry: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        let message = AddEntryRequest {
            bank_id: BANK.into(),
            entry_id: entry.into(),
            source: Some(add_entry_request::Source::Media(bytes.into())),
            request_id: request_id(),
            ..AddEntryRequest::default()
        };
        let sent = self.curator.ask(message, |request| {
            let mut banks = self.curator.banks();
            async move { banks.add_entry(request).await }
        });
        Ok(sent.await.map(drop)?)
    }

    async fn remove(&self, entry: &str) -> Result<(), Failure> {
        let message = RemoveEntryRequest {
            bank_id: BANK.into(),
            entry_id: entry.into(),
            etag: String::new(),
            request_id: request_id(),
        };
        let sent = self.curator.ask(message, |request| {
            let mut banks = self.curator.banks();
            async move { banks.remove_entry(request).await }
        });
        Ok(sent.await.map(drop)?)
    }

    async fn create_bank(&self) -> Result<(), Failure> {
        let message = CreateBankRequest {
            bank_id: BANK.into(),
            bank: Some(Bank {
                display_name: "Harmless pictures of the demo".into(),
                role: BankRole::Positive.into(),
                mode: BankMode::Enforce.into(),
                vetted: true,
                legal_basis: "demonstration with drawn pictures".into(),
                ..Bank::default()
            }),
            request_id: request_id(),
        };
        let sent = self.curator.ask(message, |request| {
            let mut banks = self.curator.banks();
            async move { banks.create_bank(request).await }
        });
        Ok(sent.await.map(drop)?)
    }
}

/// Makes a key for the trial environment by the admin's.
async fn key(admin: &Client, name: &str, roles: &[Role]) -> Result<Secret, Failure> {
    let message = CreateCredentialRequest {
        credential: Some(Credential {
            tenant_id: TENANT.into(),
            environment: Environment::Test.into(),
            roles: roles.iter().map(|role| i32::from(*role)).collect(),
            display_name: name.into(),
            proof: Some(credential::Proof::Key(ApiKey {})),
            ..Credential::default()
        }),
        request_id: request_id(),
    };
    let sent = admin.ask(message, |request| {
        let mut admin = admin.admin();
        async move { admin.create_credential(request).await }
    });
    Secret::read(&sent.await?.key).map_err(|_| Failure::new("an answer without a key"))
}

/// Runs the demo against the server at `server` (an `http://` address) with a key of the operator's role ADMIN: makes
/// keys and a bank in the trial environment, banks, screens, adds, removes, and writes a table. Answers whether every
/// expectation was met. The server must have no bank named `demo-pictures`, and no other in that environment.
///
/// # Errors
/// A call that was refused, or an answer that cannot be written.
pub async fn show(
    server: &str,
    admin_key: &Secret,
    out: &mut (dyn Write + Send),
) -> Result<bool, Failure> {
    let admin = Client::plain(server, Some(admin_key), CALL_TIME_MAX).await?;
    let curator = key(&admin, "demo curator", &[Role::BankManager]).await?;
    // The auditor's role lets the table show why something matched; a screener alone learns only what to do.
    let screener = key(&admin, "demo screener", &[Role::Screener, Role::Auditor]).await?;
    let mut stage = Stage {
        curator: Client::plain(server, Some(&curator), CALL_TIME_MAX).await?,
        screener: Client::plain(server, Some(&screener), CALL_TIME_MAX).await?,
        rows: Vec::new(),
    };

    writeln!(
        out,
        "Screening drawn pictures at {server}, as a platform would before publishing them.\n"
    )?;
    stage
        .screen(&case("a picture, while there is no bank", original(), Expected::HeldUnchecked))
        .await?;
    stage.create_bank().await?;
    stage.add("first", original()).await?;
    for case in cases() {
        stage.screen(&case).await?;
    }
    stage.add("second", later()).await?;
    stage
        .screen(&case("“another picture”, just added to the bank", later(), Expected::Blocked))
        .await?;
    stage.remove("second").await?;
    stage
        .screen(&case("“another picture”, just removed again", later(), Expected::Allowed))
        .await?;
    written(&stage.rows, out)
}

/// Writes the table, and answers whether every expectation was met.
fn written(rows: &[Row], out: &mut dyn Write) -> Result<bool, Failure> {
    let mut table = explain::table(&["", "sent", "answer", "expected", "why", "coverage", "ms"]);
    for row in rows {
        table.add_row([
            if row.expected.met_by(&row.verdict) { "✓" } else { "✗" }.to_owned(),
            row.name.clone(),
            explain::disposition(&row.verdict).to_owned(),
            row.expected.told().to_owned(),
            explain::why(&row.verdict),
            explain::coverage(&row.verdict),
            format!("{:.1}", row.took.as_secs_f64() * 1_000.0),
        ]);
    }
    writeln!(out, "{table}\n")?;
    let met = rows.iter().filter(|row| row.expected.met_by(&row.verdict)).count();
    writeln!(out, "{met} of {} answers are what was expected.", rows.len())?;
    if met == rows.len() {
        writeln!(out, "{GO_ON}")?;
    }
    Ok(met == rows.len())
}

/// What to do next.
const GO_ON: &str = "
How to go on:
  bulwark serve                                start a server that keeps what it learns; it prints a first key
  bulwark key create --role screener --role bank-manager --environment test
  bulwark bank create my-pictures              make a bank, then fill it: bulwark bank import my-pictures FILE
  bulwark screen PATH…                         screen files and folders

From Python (pip install grpcio grpcio-tools), beside the directory proto/:
  python -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. \\
      proto/bulwark/v1/*.proto proto/google/api/field_behavior.proto
  import grpc
  from bulwark.v1 import context_pb2, screening_service_pb2 as s, screening_service_pb2_grpc as g
  stub = g.ScreeningServiceStub(grpc.insecure_channel(\"127.0.0.1:50051\"))
  context = context_pb2.Context(surface=\"SURFACE_KIND_UPLOAD\", visibility=\"VISIBILITY_PUBLIC\")
  request = s.ScreenMediaRequest(context=context, content=open(\"picture.jpg\", \"rb\").read())
  print(stub.ScreenMedia(request, timeout=10, metadata=[(\"authorization\", \"Bearer KEY\")]))";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::Match;

    fn verdict(disposition: Disposition, bank: Option<&str>, incomplete: bool) -> Verdict {
        let found = bank.map(|bank| Finding {
            kind: Some(finding::Kind::Match(Match { bank_id: bank.into(), ..Match::default() })),
        });
        Verdict {
            disposition: disposition.into(),
            findings: found.into_iter().collect(),
            incomplete: incomplete.then_some(1),
            ..Verdict::default()
        }
    }

    #[test]
    fn a_hold_for_want_of_a_check_is_not_taken_for_a_match() {
        let unchecked = verdict(Disposition::Hold, None, true);
        assert!(!Expected::Matched.met_by(&unchecked));
        assert!(Expected::HeldUnchecked.met_by(&unchecked));
        assert!(!Expected::Allowed.met_by(&unchecked));
    }

    #[test]
    fn a_match_of_another_bank_or_an_allowed_one_does_not_count() {
        assert!(!Expected::Blocked.met_by(&verdict(Disposition::Block, Some("other"), false)));
        assert!(!Expected::Matched.met_by(&verdict(Disposition::Allow, Some(BANK), false)));
        assert!(Expected::Matched.met_by(&verdict(Disposition::Hold, Some(BANK), false)));
    }

    #[test]
    fn an_allow_that_skipped_a_check_is_not_what_was_expected() {
        assert!(!Expected::Allowed.met_by(&verdict(Disposition::Allow, None, true)));
        assert!(Expected::Allowed.met_by(&verdict(Disposition::Allow, None, false)));
    }

    #[test]
    fn one_wrong_answer_makes_the_demo_fail_and_shows_a_cross() {
        let row = |disposition| Row {
            name: "picture".into(),
            expected: Expected::Allowed,
            verdict: verdict(disposition, None, false),
            took: Duration::from_millis(3),
        };
        let mut out = Vec::new();
        assert!(
            !written(&[row(Disposition::Allow), row(Disposition::Hold)], &mut out)
                .expect("written")
        );
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains('✗') && text.contains("1 of 2 answers"), "{text}");
        assert!(written(&[row(Disposition::Allow)], &mut Vec::new()).expect("written"));
    }

    #[test]
    fn everything_banked_is_small_enough_to_be_added() {
        assert!(original().len() <= 1_000_000 && later().len() <= 1_000_000);
    }

    #[test]
    fn every_change_of_the_banked_picture_is_within_the_distance_that_matches() {
        use crate::core::pdq;
        use crate::core::raster::{BORDER_TOLERANCE, Raster};
        let raster = |bytes: &[u8]| {
            let picture = image::load_from_memory(bytes).expect("a picture").to_rgb8();
            Raster::new(picture.width(), picture.height(), picture.into_raw()).expect("well shaped")
        };
        let banked = pdq::hash(&raster(&original())).hashes[0];
        let nearest = |bytes: &[u8]| {
            let sent = raster(bytes);
            let views = [Some(sent.view()), sent.view().trimmed(BORDER_TOLERANCE)];
            let hashes =
                views.iter().flatten().flat_map(|view| pdq::hash_turning(view).upright().hashes);
            hashes.map(|hash| hash.distance(&banked)).min().expect("has hashes")
        };
        for case in cases() {
            match case.expected {
                Expected::Blocked | Expected::Matched => {
                    assert!(nearest(&case.bytes) <= 31, "{}: {}", case.name, nearest(&case.bytes));
                }
                Expected::Allowed => assert!(nearest(&case.bytes) > 31, "{}", case.name),
                Expected::HeldUnchecked => {}
            }
        }
    }
}
