"""``lpse-ops site``: check an inventory, print the schema of site.yml."""

from lpse_ops.cli.options import LanguageOption, OutputMode, OutputOption, SiteOption, VaultPasswordOption


def check(
    site: SiteOption = None,
    vault_password_file: VaultPasswordOption = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> None:
    """Check an inventory: every fault at once, each with its file, its key and what to do (exit 2), or a summary."""
    raise NotImplementedError


def schema(output: OutputOption = OutputMode.text, language: LanguageOption = None) -> None:
    """Print the JSON Schema of site.yml (for editors and other programs)."""
    raise NotImplementedError
