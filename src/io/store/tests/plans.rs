//! How SQLite finds what an import asks for: by the values that it has, never by going through all of a bank.

use crate::io::store::Settings;
use crate::io::store::dialect::{Value, connect};
use crate::io::store::rows::{BY_SIGNAL, SHARING};

#[tokio::test]
async fn values_are_looked_for_without_going_through_a_bank() {
    let folder = tempfile::tempdir().unwrap();
    let mut conn = connect(&Settings::in_folder(folder.path()), true).await.unwrap();
    conn.begin_migrating().await.unwrap();
    conn.bring_tables_forward(0).await.unwrap();
    conn.commit().await.unwrap();
    let of_bank = [Value::from("operator/test"), "known".into()];
    let in_state = [&of_bank[..], &[Value::from(7_u64)]].concat();
    for (sql, values) in [(BY_SIGNAL, &of_bank[..]), (SHARING, &in_state[..])] {
        for count in [1_usize, 16, 128] {
            let list = vec![Value::from(vec![7; 32]); count];
            let plan = format!("EXPLAIN QUERY PLAN {sql}");
            let rows = conn.within(&plan, values, &list, "").await.unwrap();
            let steps: Vec<String> = rows.iter().map(|row| row.text(3).unwrap()).collect();
            let by_value =
                |step: &String| step.starts_with("SEARCH s ") && step.contains("fingerprint=?");
            let by_name = |step: &String| step.starts_with("SEARCH e ") && step.contains("entry=?");
            assert!(steps.iter().any(by_value) && steps.iter().any(by_name), "{count}: {steps:?}");
        }
    }
}
