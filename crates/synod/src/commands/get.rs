//! `synod get`: one key, a range, a prefix; sorted, cut, or as it was at a revision.

use synod_server::proto::etcdserverpb::RangeRequest;
use synod_server::proto::etcdserverpb::range_request::{SortOrder, SortTarget};

use super::key_range::KeyRange;
use super::{Context, block_on};
use crate::client::{self, Repeat};
use crate::failure::{Exit, Failure};
use crate::format::Format;

const EXAMPLES: &str = "\
Examples:
  synod get greeting
  synod get --prefix app/ --limit 10
  synod get a f                          keys from a to before f
  synod get --prefix app/ --sort-by MODIFY --order DESCEND
  synod get greeting --rev 7             as it was at revision 7
  synod get greeting --print-value-only
";

/// The arguments, which a transaction's script takes too.
#[derive(Debug, clap::Args)]
#[command(help_template = crate::cli::TEMPLATE, before_help = EXAMPLES)]
pub struct Arguments {
    /// The key
    key: String,
    /// The key after the last one of a range
    range_end: Option<String>,
    /// All keys that begin with the key
    #[arg(long)]
    prefix: bool,
    /// All keys from the key on
    #[arg(long)]
    from_key: bool,
    /// Most keys to show; 0 for all
    #[arg(
        long,
        default_value_t = 0,
        allow_negative_numbers = true,
        value_name = "N",
        hide_default_value = true
    )]
    limit: i64,
    /// Direction of --sort-by: ASCEND or DESCEND
    #[arg(long, ignore_case = true, value_name = "ORDER", hide_possible_values = true)]
    order: Option<Order>,
    /// CREATE, KEY, MODIFY, VALUE or VERSION
    #[arg(long, ignore_case = true, value_name = "TARGET", hide_possible_values = true)]
    sort_by: Option<Target>,
    /// The revision to read at; 0 for the newest
    #[arg(
        long,
        default_value_t = 0,
        allow_negative_numbers = true,
        value_name = "REVISION",
        hide_default_value = true
    )]
    rev: i64,
    /// Leave the values out
    #[arg(long)]
    keys_only: bool,
    /// Show the count alone (with -w fields or json)
    #[arg(long, conflicts_with = "keys_only")]
    count_only: bool,
    /// Values alone, without their keys (with -w simple)
    #[arg(long)]
    print_value_only: bool,
    /// l: linearizable, the newest. s: serializable, what the member has [l]
    #[arg(long, default_value = "l", hide_default_value = true, value_parser = ["l", "s"])]
    #[arg(hide_possible_values = true, value_name = "l|s")]
    consistency: String,
    /// Smallest create revision to show
    #[arg(
        long,
        default_value_t = 0,
        value_name = "REVISION",
        hide_default_value = true,
        hide_short_help = true
    )]
    min_create_rev: i64,
    /// Largest create revision to show
    #[arg(
        long,
        default_value_t = 0,
        value_name = "REVISION",
        hide_default_value = true,
        hide_short_help = true
    )]
    max_create_rev: i64,
    /// Smallest modification revision to show
    #[arg(
        long,
        default_value_t = 0,
        value_name = "REVISION",
        hide_default_value = true,
        hide_short_help = true
    )]
    min_mod_rev: i64,
    /// Largest modification revision to show
    #[arg(
        long,
        default_value_t = 0,
        value_name = "REVISION",
        hide_default_value = true,
        hide_short_help = true
    )]
    max_mod_rev: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "UPPER")]
enum Order {
    Ascend,
    Descend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "UPPER")]
enum Target {
    Create,
    Key,
    Modify,
    Value,
    Version,
}

/// Runs the command.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let request = arguments.request()?;
    let mut printer = context.printer();
    printer.require_no_table()?;
    if arguments.count_only && printer.format == Format::Simple {
        return Err(Failure::usage("--count-only is only for `--write-out=fields` and `--write-out=json`"));
    }
    if arguments.print_value_only && printer.format != Format::Simple {
        return Err(Failure::usage("print-value-only is only for `--write-out=simple`"));
    }
    printer.style.values_only = arguments.print_value_only;
    let client = context.client()?;
    let send = async |channel| client::kv(channel).range(request.clone()).await;
    printer.print(&block_on(client.call(Repeat::Allowed, send))?)?;
    Ok(Exit::Fine)
}

impl Arguments {
    /// The request that the arguments mean.
    pub fn request(&self) -> Result<RangeRequest, Failure> {
        let range =
            KeyRange::from_arguments(&self.key, self.range_end.as_deref(), self.prefix, self.from_key)?;
        let (order, target) = self.sorting();
        Ok(RangeRequest {
            key: range.start,
            range_end: range.end,
            limit: self.limit,
            revision: self.rev.max(0),
            sort_order: order.into(),
            sort_target: target.into(),
            serializable: self.consistency == "s",
            keys_only: self.keys_only,
            count_only: self.count_only,
            min_mod_revision: self.min_mod_rev,
            max_mod_revision: self.max_mod_rev,
            min_create_revision: self.min_create_rev,
            max_create_revision: self.max_create_rev,
        })
    }

    /// Order by key, ascending, is the order that answers have anyway; asking for it would only hold the
    /// limit back until the whole range was read.
    fn sorting(&self) -> (SortOrder, SortTarget) {
        let target = match self.sort_by {
            None | Some(Target::Key) => SortTarget::Key,
            Some(Target::Create) => SortTarget::Create,
            Some(Target::Modify) => SortTarget::Mod,
            Some(Target::Value) => SortTarget::Value,
            Some(Target::Version) => SortTarget::Version,
        };
        let order = match self.order {
            None => SortOrder::None,
            Some(Order::Ascend) if target == SortTarget::Key => SortOrder::None,
            Some(Order::Ascend) => SortOrder::Ascend,
            Some(Order::Descend) => SortOrder::Descend,
        };
        (order, target)
    }
}
