#include "app.h"

int main(void)
{
    app_run();
}
