//! What the client's tables must show, whatever the server is.

/// The cells of the rows below a table's head.
fn rows(table: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    table.lines().filter(|line| line.starts_with('|')).skip(1).map(cells).collect()
}

fn three(table: &str) -> Result<Vec<Vec<String>>, String> {
    let rows = rows(table);
    if rows.len() == 3 { Ok(rows) } else { Err(format!("expected three rows, found {}", rows.len())) }
}

fn count(rows: &[Vec<String>], column: usize, text: &str) -> usize {
    rows.iter().filter(|row| row.get(column).is_some_and(|cell| cell == text)).count()
}

/// `endpoint status`: every member answers, one leads, none is a learner, nothing is wrong.
pub fn one_leader(table: &str) -> Result<(), String> {
    let rows = three(table)?;
    let (leaders, learners) = (count(&rows, 4, "true"), count(&rows, 5, "true"));
    if leaders != 1 || learners != 0 {
        return Err(format!("expected one leader and no learner, found {leaders} and {learners}"));
    }
    let parsable =
        |row: &Vec<String>| row[2].split('.').filter(|part| part.parse::<u32>().is_ok()).count() == 3;
    if !rows.iter().all(parsable) {
        return Err("expected versions of three numbers".to_owned());
    }
    if rows.iter().any(|row| row[6] != rows[0][6]) {
        return Err("expected one term".to_owned());
    }
    if count(&rows, 9, "") != 3 { Err("expected no errors".to_owned()) } else { Ok(()) }
}

/// `endpoint health`: every member is.
pub fn three_healthy(table: &str) -> Result<(), String> {
    let rows = three(table)?;
    let healthy = count(&rows, 1, "true");
    if healthy == 3 { Ok(()) } else { Err(format!("expected three healthy members, found {healthy}")) }
}

/// `member list`: every member has started and is no learner.
pub fn three_started(table: &str) -> Result<(), String> {
    let rows = three(table)?;
    let started = count(&rows, 1, "started");
    let voters = count(&rows, 5, "false");
    if started == 3 && voters == 3 {
        Ok(())
    } else {
        Err(format!("expected three voters that have started, found {started} started and {voters} voters"))
    }
}

/// `endpoint hashkv`: the members hold the same.
pub fn same_hashes(table: &str) -> Result<(), String> {
    let rows = three(table)?;
    let same = rows.iter().all(|row| row.get(1).is_some() && row.get(1) == rows[0].get(1));
    if same { Ok(()) } else { Err("expected equal hashes".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASHES: &str =
        "+---+---+\n| ENDPOINT | HASH |\n+---+---+\n| a | 7 |\n| b | 7 |\n| c | 7 |\n+---+---+\n";

    #[test]
    fn hashes_are_compared() {
        assert_eq!(same_hashes(HASHES), Ok(()));
        assert!(same_hashes(&HASHES.replace("b | 7", "b | 8")).is_err());
        assert!(same_hashes("").is_err());
    }

    #[test]
    fn a_status_without_leader_is_wrong() {
        let row = |leader: &str| format!("| e | 1 | 3.5.16 | 20 kB | {leader} | false | 2 | 9 | 9 |  |\n");
        let table = |leaders: [&'static str; 3]| format!("| HEAD |\n{}", leaders.map(row).concat());
        assert_eq!(one_leader(&table(["true", "false", "false"])), Ok(()));
        assert!(one_leader(&table(["false", "false", "false"])).is_err());
        assert!(one_leader(&table(["true", "true", "false"])).is_err());
    }
}
