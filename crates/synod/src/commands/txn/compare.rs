//! One comparison of a script: `mod("key") > "0"`.

use synod_server::proto::etcdserverpb::Compare;
use synod_server::proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};

use crate::go_syntax::quoting::unquote_prefix;

/// Reads a comparison. Spaces may stand around the operator; the operand is always quoted; a lease is
/// hexadecimal.
pub fn parse(line: &str) -> Result<Compare, String> {
    let malformed = |problem: &str| format!("malformed comparison: {line} ({problem})");
    let (target, rest) =
        line.split_once('(').ok_or_else(|| malformed("expected TARGET(\"key\") OPERATOR \"value\""))?;
    let (key, rest) = unquote_prefix(rest.trim_start()).map_err(|problem| malformed(&problem))?;
    let rest = rest
        .trim_start()
        .strip_prefix(')')
        .ok_or_else(|| malformed("expected ) after the key"))?
        .trim_start();
    let operator_end = rest.find(|c: char| !matches!(c, '=' | '!' | '<' | '>')).unwrap_or(rest.len());
    let (operator, rest) = rest.split_at(operator_end);
    let result = match operator {
        "=" => CompareResult::Equal,
        "!=" => CompareResult::NotEqual,
        ">" => CompareResult::Greater,
        "<" => CompareResult::Less,
        _ => return Err(malformed("expected =, !=, > or < after the key")),
    };
    let (operand, rest) = unquote_prefix(rest.trim_start()).map_err(|problem| malformed(&problem))?;
    if !rest.trim().is_empty() {
        return Err(malformed("expected nothing after the value"));
    }
    let (target, operand) = operand_of(target.trim(), operand).map_err(|problem| malformed(&problem))?;
    Ok(Compare {
        result: result.into(),
        target: target.into(),
        key: key.into(),
        target_union: Some(operand),
        ..Compare::default()
    })
}

fn operand_of(target: &str, operand: Vec<u8>) -> Result<(CompareTarget, TargetUnion), String> {
    let number = |radix: u32, expected: &str| {
        let text = std::str::from_utf8(&operand).ok();
        text.and_then(|text| i64::from_str_radix(text, radix).ok())
            .ok_or_else(|| format!("expected {expected}"))
    };
    let decimal = || number(10, "a whole number in quotes");
    Ok(match target {
        "ver" | "version" => (CompareTarget::Version, TargetUnion::Version(decimal()?)),
        "c" | "create" => (CompareTarget::Create, TargetUnion::CreateRevision(decimal()?)),
        "m" | "mod" => (CompareTarget::Mod, TargetUnion::ModRevision(decimal()?)),
        "lease" => {
            (CompareTarget::Lease, TargetUnion::Lease(number(16, "a lease in hexadecimal, in quotes")?))
        }
        "val" | "value" => (CompareTarget::Value, TargetUnion::Value(operand.into())),
        other => {
            return Err(format!("unknown target {other}: expected version, create, mod, value or lease"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_target_and_operator() {
        let table = [
            (r#"ver("a") = "1""#, CompareTarget::Version, CompareResult::Equal, TargetUnion::Version(1)),
            (
                r#"version("a") != "1""#,
                CompareTarget::Version,
                CompareResult::NotEqual,
                TargetUnion::Version(1),
            ),
            (
                r#"c("a") > "2""#,
                CompareTarget::Create,
                CompareResult::Greater,
                TargetUnion::CreateRevision(2),
            ),
            (
                r#"create("a") < "2""#,
                CompareTarget::Create,
                CompareResult::Less,
                TargetUnion::CreateRevision(2),
            ),
            (r#"m("a")="-3""#, CompareTarget::Mod, CompareResult::Equal, TargetUnion::ModRevision(-3)),
            (r#"mod("a")   >"3" "#, CompareTarget::Mod, CompareResult::Greater, TargetUnion::ModRevision(3)),
            (
                r#"val("a") = "x\n""#,
                CompareTarget::Value,
                CompareResult::Equal,
                TargetUnion::Value("x\n".into()),
            ),
            (
                r#"value(`a`) = "=""#,
                CompareTarget::Value,
                CompareResult::Equal,
                TargetUnion::Value("=".into()),
            ),
            (r#"lease("a") = "1f""#, CompareTarget::Lease, CompareResult::Equal, TargetUnion::Lease(0x1f)),
        ];
        for (line, target, result, operand) in table {
            let compare = parse(line).expect(line);
            assert_eq!((compare.target(), compare.result()), (target, result), "{line}");
            assert_eq!(compare.target_union, Some(operand), "{line}");
            assert_eq!(&compare.key[..], b"a", "{line}");
        }
    }

    #[test]
    fn says_what_is_malformed() {
        let table = [
            ("", "expected TARGET"),
            (r#"mod "a" > "0""#, "expected TARGET"),
            (r#"mod(a) > "0""#, "double quotes"),
            (r#"mod("a" > "0""#, "expected ) after the key"),
            (r#"mod("a") ~ "0""#, "expected =, !=, > or <"),
            (r#"mod("a") >= "0""#, "expected =, !=, > or <"),
            (r#"mod("a") > 0"#, "double quotes"),
            (r#"mod("a") > "x""#, "whole number"),
            (r#"mod("a") > "0" x"#, "nothing after"),
            (r#"age("a") > "0""#, "unknown target age"),
            (r#"lease("a") > "xyz""#, "hexadecimal"),
        ];
        for (line, part) in table {
            let error = parse(line).expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(line in "(mod|lease)?\\(?\"?\\PC{0,24}") {
            let _ = parse(&line);
        }
    }
}
