/* Small numbers, so that a few bytes of input reach every end. */
#define APP_WINDOW 24
#define APP_INPUT_SIZE 30
#define APP_CLASSES 3
