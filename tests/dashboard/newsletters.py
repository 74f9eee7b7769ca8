"""What tests of pages about newsletters and mail say in one line."""

from tests.dashboard.person import Page, Person
from tests.newsletters.publisher import Publisher
from tests.servers.smtp import SmtpServer

CSV = "email,name,city\nada@example.com,Ada,London\nbob@example.com,Bob,Rome\nno address,X,Y\n"


def publisher_of(admin: Person) -> Publisher:
    """Return what makes newsletters and issues; it mails nothing."""
    return Publisher(admin.api, SmtpServer())


def without_elements(page: Page) -> bool:
    """Whether stored words made no element that could run."""
    return page.main.select("script, img, iframe[srcdoc], [style], [onclick], [onerror]") == []
