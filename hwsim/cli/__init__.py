"""The `hwsim` command: thin, and quick to start."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

import hwsim
from hwsim.cli.accumulator import accumulator_command
from hwsim.cli.activities import activity_command
from hwsim.cli.arrays import array_command
from hwsim.cli.checking import check_command
from hwsim.cli.costing import cost_command
from hwsim.cli.descriptions import format_command, formats_command, mac_command
from hwsim.cli.diagnosis import diagnose_command
from hwsim.cli.multipliers import multiplier_command
from hwsim.cli.runs import run_command
from hwsim.cli.sweeping import sweep_command
from hwsim.cli.theory import theory_command
from hwsim.cli.timing import bench_command
from hwsim.errors import HwsimError, SpecError

FAILED, USAGE, INTERRUPTED = 1, 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(hwsim.__version__, prog_name="hwsim")
def cli() -> None:
    """Bit-accurate hardware arithmetic for deep-learning accelerators.

    Describe a MAC unit once; get the exact numbers that it computes, what it costs, and what
    breaks in it.

    \b
    Start here:
      hwsim sweep                                  two networks on sixteen MAC units
      hwsim run char-lm --mac int8xint8+int17 --layers      one of them, layer by layer
      hwsim mac e5m2xe5m2+e6m9:chunk64             a unit in words, proved and priced
      hwsim format e4m3                            a format: fields, range, values
      hwsim check e4m3xe4m3+fp16                   the laws that its arithmetic obeys
      hwsim multiplier mitchell --out map.png      errors of an approximate multiplier
      hwsim bench int8xint8:mitchell+int32         how fast it is simulated
      hwsim theory e5m2xe5m2+e6m9 --length 4096    what theory says of its sums
      hwsim cost int8xint8+int32 bf16xbf16+fp32    by several cost models, side by side
      hwsim array char-lm int8xint8+int32          cycles and energy by level on an array
      hwsim activity char-lm --mac int8xint8+int32 energy by the operands' own toggles
      hwsim diagnose char-lm                       where its accumulators lose, over k
      hwsim accumulator digits-cnn                 the narrowest accumulator of every layer
    \b
    A unit is A x B + ACCUMULATOR, then options:
      e4m3xe4m3+fp16:rtz:chunk32/fp32
      |    |    |    |   |       '- chunk sums are added in fp32
      |    |    |    |   '- partial sums of 32 products
      |    |    |    '- rounding: rne rna rtz rup rdn rto srN
      '----'----'- formats: fp16 bf16 e4m3 e5m2 eXmY intN uintN fixedI.F ...
    """


COMMANDS = (
    *(sweep_command, run_command, mac_command, format_command, formats_command),
    *(check_command, multiplier_command, bench_command, theory_command),
    *(diagnose_command, accumulator_command, cost_command, array_command, activity_command),
)
for command in COMMANDS:
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: exit 0 ok, 1 failed check, 2 usage, 130 Ctrl-C."""
    sys.exit(_status(arguments))


def _status(arguments: Sequence[str] | None) -> int:
    try:
        # Without its own exit, click returns the code of a command that ends by `Context.exit`.
        code = cli.main(args=arguments, prog_name="hwsim", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        click.echo(f"hwsim: {error.format_message()}", err=True)
        return USAGE
    except SpecError as error:
        click.echo(f"hwsim: {error.line}", err=True)
        return USAGE
    except HwsimError as error:
        click.echo(f"hwsim: {error}", err=True)
        return FAILED if type(error).__name__ == "VerificationError" else USAGE
    except (OSError, ValueError) as error:
        click.echo(f"hwsim: {error}", err=True)
        return USAGE
    return code if isinstance(code, int) else 0
